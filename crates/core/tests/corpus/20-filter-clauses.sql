-- Aggregates with FILTER
SELECT customer_id, count(*) FILTER (WHERE status = 'paid') AS paid,
  count(*) FILTER (WHERE ordered_at >= '2025-06-15') AS late
FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-07-01'
GROUP BY customer_id ORDER BY customer_id;
