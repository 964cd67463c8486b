-- Bits aggregated
SELECT bit_and(id) AS a, bit_or(id) AS b, count(*) AS n
FROM orders
WHERE id BETWEEN 8 AND 15
ORDER BY n;
