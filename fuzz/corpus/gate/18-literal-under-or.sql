-- A literal under OR stays
SELECT id, status FROM orders
WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-06-11'
  AND (status = 'open' OR shipped_on = '2025-06-05')
ORDER BY id;
