/* Orders of June: half-open, so that the last day counts whole */
SELECT status, count(*) AS orders, sum(amount) AS total
FROM orders
WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-07-01'
GROUP BY status
ORDER BY status;
