-- The last day plus one, casts by calls, and days without hyphens
SELECT o.status, count(*) AS orders
FROM orders o
WHERE o.created >= timestamptz('2025-02-01') AND o.created < DATE '2025-02-28' + INTERVAL '1 DAY'
  AND date(o.ordered_at) >= date('2025-02-01') AND date(o.ordered_at) <= date('2025-02-28')
  AND o.ordered_at >= '20250201' AND o.ordered_at < (SELECT (TIMESTAMP '2025-02-01' + (28 || ' day')::INTERVAL))
GROUP BY o.status ORDER BY o.status;
