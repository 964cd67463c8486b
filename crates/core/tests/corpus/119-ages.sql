-- Ages
SELECT id, age(ordered_at, timestamp '2024-01-01') AS a, justify_days(interval '40 days') AS b, justify_hours(interval '30 hours') AS c, justify_interval(interval '1 mon -1 hour') AS d, isfinite(ordered_at) AS e
FROM orders
WHERE id <= 5
ORDER BY id;
