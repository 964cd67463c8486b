-- Network addresses
SELECT id, host(('10.0.0.' || id)::inet) AS a, masklen('10.0.0.0/24'::cidr) AS b, network(('10.0.0.' || id || '/24')::inet)::text AS c, broadcast('10.0.0.0/30'::inet)::text AS d, ('10.0.0.' || id)::inet << '10.0.0.0/29'::inet AS e, family('::1'::inet) AS f
FROM customers
WHERE id <= 4
ORDER BY id;
