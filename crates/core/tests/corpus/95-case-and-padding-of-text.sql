-- Case and padding of text
SELECT id, upper(name) AS a, lower(region) AS b, initcap(region || ' side') AS c, lpad(id::text, 5, '0') AS d, rpad(region, 8, '.') AS e, repeat('*', 3) AS f, reverse(region) AS g
FROM customers
WHERE id <= 8
ORDER BY id;
