-- Arrays, slices and rows
SELECT id, tags[1] AS first, tags[1:2] AS both, ARRAY[1, 2, 3] @> ARRAY[2] AS has,
  (id, status) = (7, 'paid') AS is_it, ROW(1, 'x') IS NOT NULL AS whole, 't1' = ANY (tags) AS tagged
FROM orders WHERE id <= 12 AND NOT tags && ARRAY['t9'] ORDER BY id;
