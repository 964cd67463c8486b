-- Chance has no say in the count
SELECT count(*) AS n
FROM orders
WHERE random() >= 0 AND random() < 1
ORDER BY n;
