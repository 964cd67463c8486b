-- Months stay as written
SELECT count(*) AS n FROM orders
WHERE ordered_at >= date_trunc('month', CURRENT_DATE) - INTERVAL '120 months' AND created < now() - INTERVAL '12 hours'
ORDER BY n;
