-- Words searched
SELECT id, to_tsvector('simple', name) @@ to_tsquery('simple', 'customer & 3') AS a, plainto_tsquery('simple', 'big customer')::text AS b, ts_rank(to_tsvector('simple', name), 'customer'::tsquery) > 0 AS c
FROM customers
WHERE id <= 4
ORDER BY id;
