-- A time of day
SELECT id, ordered_at::time AS a, ordered_at::time + interval '90 minutes' AS b, ordered_at::time BETWEEN time '06:00' AND time '18:00' AS day, timetz '10:00+02' AS d
FROM orders
WHERE id <= 6
ORDER BY id;
