-- Arrays from a subquery
SELECT c.id, ARRAY(SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY o.id LIMIT 3) AS first
FROM customers c
WHERE c.id <= 5
ORDER BY c.id;
