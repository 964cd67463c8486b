-- A spine of months without gaps
SELECT m::date AS month, count(o.id) AS n
FROM generate_series(DATE '2024-10-01', DATE '2025-10-01', INTERVAL '1 month') AS m
LEFT JOIN orders o ON date_trunc('month', o.ordered_at) = m
GROUP BY m
ORDER BY m;
