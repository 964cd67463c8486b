-- Dates made from numbers
SELECT id, make_date(2025, id, 1) AS a, make_time(id, 30, 0) AS b, make_timestamp(2025, id, 1, 12, 0, 0) AS c, make_timestamptz(2025, id, 1, 0, 0, 0, 'UTC') AS d, make_interval(days => id, hours => 2) AS e, make_interval(1, 2) AS f
FROM customers
WHERE id <= 12
ORDER BY id;
