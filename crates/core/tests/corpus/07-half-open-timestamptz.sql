-- Created in May, on a timestamptz
SELECT id, created FROM orders
WHERE created >= '2025-05-01' AND created < '2025-06-01' AND status = 'paid'
ORDER BY id;
