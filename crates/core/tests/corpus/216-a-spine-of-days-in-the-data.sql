-- A spine of the data's days
SELECT d::date AS day, count(o.id) AS orders
FROM generate_series((SELECT min(ordered_at)::date FROM orders), (SELECT max(ordered_at)::date FROM orders), interval '1 day') AS d
LEFT JOIN orders o ON o.ordered_at >= d AND o.ordered_at < d + interval '1 day'
GROUP BY d
ORDER BY d;
