-- The least and the greatest
SELECT id, greatest(amount, 100, id) AS a, least(amount, 500) AS b, greatest(shipped_on, DATE '2024-11-05') AS c
FROM orders
WHERE id <= 10
ORDER BY id;
