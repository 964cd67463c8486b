-- DATE literals on both ends
SELECT count(*) AS n, min(ordered_at) AS first, max(ordered_at) AS last FROM orders
WHERE ordered_at::date BETWEEN DATE '2025-02-01' AND DATE '2025-02-28' ORDER BY 1;
