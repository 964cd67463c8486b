-- Ranges of time
SELECT id, tsrange(ordered_at, ordered_at + interval '1 day') && tsrange('2024-11-02', '2024-11-03') AS a, daterange(ordered_at::date, NULL) @> DATE '2025-01-01' AS b, tstzrange(created, NULL) >> tstzrange(NULL, '2024-11-01') AS c
FROM orders
WHERE id <= 8
ORDER BY id;
