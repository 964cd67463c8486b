-- Rows that are missing
SELECT c.id
FROM customers c
LEFT JOIN orders o ON o.customer_id = c.id AND o.status = 'returned'
WHERE o.id IS NULL
ORDER BY c.id;
