-- A spine over the window
SELECT d::date AS day, count(o.id) AS n
FROM generate_series(:start_date::timestamp, :end_date::timestamp, '1 day') AS d
LEFT JOIN orders o ON o.shipped_on = d::date GROUP BY d ORDER BY d;
