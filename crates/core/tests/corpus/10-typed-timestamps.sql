-- TIMESTAMP literals with midnight written out
SELECT count(*) AS n, max(ordered_at) AS last FROM orders
WHERE ordered_at >= TIMESTAMP '2025-03-01 00:00:00' AND ordered_at < TIMESTAMP '2025-04-01 00:00:00'
ORDER BY 1;
