-- This month against the last one
SELECT cur.total AS this_month, prev.total AS last_month
FROM (SELECT sum(amount) AS total FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-07-01') AS cur,
     (SELECT sum(amount) AS total FROM orders WHERE ordered_at >= '2025-05-01' AND ordered_at < '2025-06-01') AS prev
ORDER BY 1, 2;
