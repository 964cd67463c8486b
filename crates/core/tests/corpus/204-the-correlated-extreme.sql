-- The correlated extreme
SELECT o.id, o.customer_id
FROM orders o
WHERE o.amount = (SELECT max(p.amount) FROM orders p WHERE p.customer_id = o.customer_id) AND NOT EXISTS (SELECT FROM events e WHERE e.customer_id = o.customer_id AND e.kind = 'none')
ORDER BY o.id;
