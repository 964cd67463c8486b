-- The latest order of each customer
SELECT DISTINCT ON (customer_id) customer_id, id, ordered_at FROM orders
WHERE ordered_at >= '2025-02-01' AND ordered_at < '2025-05-01'
ORDER BY customer_id, ordered_at DESC, id;
