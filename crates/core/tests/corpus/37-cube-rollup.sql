-- ROLLUP and CUBE
SELECT extract(year FROM ordered_at) AS year, extract(month FROM ordered_at) AS month, status, sum(amount) AS total
FROM orders WHERE ordered_at >= '2024-12-01' AND ordered_at < '2025-02-01'
GROUP BY ROLLUP (extract(year FROM ordered_at), extract(month FROM ordered_at)), CUBE (status)
ORDER BY year NULLS FIRST, month NULLS FIRST, status NULLS LAST;
