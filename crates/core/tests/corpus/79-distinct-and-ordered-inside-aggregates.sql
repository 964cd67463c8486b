-- Distinct and ordered inside aggregates
SELECT count(DISTINCT customer_id) AS a, array_agg(DISTINCT status ORDER BY status DESC) AS b, sum(DISTINCT id % 7) AS c
FROM orders
ORDER BY a;
