-- Every day, also those without orders
SELECT d::date AS day, count(o.id) AS orders
FROM generate_series(DATE '2025-06-01', DATE '2025-06-30', INTERVAL '1 day') AS d
LEFT JOIN orders o ON o.shipped_on = d::date AND o.status <> 'returned'
GROUP BY d ORDER BY d;
