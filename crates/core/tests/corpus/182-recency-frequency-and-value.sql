-- Recency, frequency and value
SELECT customer_id, DATE '2025-09-01' - max(ordered_at)::date AS recency, count(*) AS frequency, sum(amount) AS value, ntile(5) OVER (ORDER BY sum(amount)) AS class
FROM orders
GROUP BY customer_id
ORDER BY customer_id;
