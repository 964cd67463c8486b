-- Ranges
SELECT id, int4range(id, id + 3) AS a, int4range(1, 5) @> id AS b, int4range(id, 9) * int4range(3, 6) AS c, lower(numrange(1, id + 1)) AS d, upper_inc(daterange('2025-01-01', '2025-01-02', '[]')) AS e, isempty(int4range(1, 1)) AS f
FROM customers
WHERE id <= 4
ORDER BY id;
