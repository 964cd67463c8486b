-- Intervals scaled
SELECT id, duration * 2 AS a, duration / 3 AS b, - duration AS c, duration > interval '20' MINUTE AS d, interval '1-2' YEAR TO MONTH AS e, interval '1 02:03' DAY TO MINUTE AS f
FROM events
WHERE id <= 5
ORDER BY id;
