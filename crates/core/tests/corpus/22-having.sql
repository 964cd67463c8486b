-- HAVING with a date
SELECT customer_id, max(ordered_at) AS last FROM orders
GROUP BY customer_id HAVING max(ordered_at) >= '2025-08-20' ORDER BY customer_id;
