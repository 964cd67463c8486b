-- Ordered by an operator
SELECT id
FROM customers
WHERE id <= 12
ORDER BY id USING >;
