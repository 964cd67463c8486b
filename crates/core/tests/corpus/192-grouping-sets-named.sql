-- Grouping sets, named
SELECT c.region, o.status, count(*) AS n, grouping(c.region, o.status) AS level
FROM orders o JOIN customers c ON c.id = o.customer_id
GROUP BY GROUPING SETS ((c.region, o.status), (c.region), ())
ORDER BY level, c.region, o.status;
