-- Casts as functions
SELECT id, date(ordered_at) AS a, int4(amount) AS b, text(id) AS c, float8(amount) AS d, "time"(ordered_at) AS e, "timestamp"(shipped_on) AS f
FROM orders
WHERE id <= 5
ORDER BY id;
