-- Scale of numbers
SELECT id, scale(amount) AS a, min_scale(amount) AS b, trim_scale(amount) AS c, width_bucket(amount, 0, 1000, 10) AS d, to_hex(id) AS e
FROM orders
WHERE id <= 12
ORDER BY id;
