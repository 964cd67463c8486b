-- Casts in every spelling
SELECT id::text AS a, CAST(amount AS int) AS b, float8 '1.5' AS c, ordered_at::date::text AS d, amount::numeric(10, 1) AS e,
  -amount::int AS f, (- amount)::int AS g, int '3' + 4 AS h, varchar(3) 'abcdef' AS i, '{1,2}'::int[] AS j, B'101' AS k, 1e3 AS l
FROM orders WHERE id < 10 ORDER BY id;
