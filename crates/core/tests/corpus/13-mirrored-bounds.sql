-- The literal on the left
SELECT count(*) AS n, sum(amount) AS total FROM orders
WHERE '2025-04-01' <= shipped_on AND '2025-04-30' >= shipped_on ORDER BY n;
