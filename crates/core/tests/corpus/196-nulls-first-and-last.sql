-- Nulls first and last
SELECT id, shipped_on
FROM orders
WHERE id <= 20
ORDER BY shipped_on DESC NULLS LAST, id;
