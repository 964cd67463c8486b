-- Money over time, cumulated by customer
SELECT customer_id, ordered_at::date AS day, sum(sum(amount)) OVER (PARTITION BY customer_id ORDER BY ordered_at::date) AS total
FROM orders
WHERE customer_id IN (1, 2)
GROUP BY customer_id, ordered_at::date
ORDER BY customer_id, day;
