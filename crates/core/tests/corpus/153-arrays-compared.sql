-- Arrays compared
SELECT id, tags && ARRAY['t1'] AS a, tags @> ARRAY['t2'] AS b, ARRAY['t0'] <@ tags AS c, 't3' = ANY (tags) AS d, 't9' <> ALL (tags) AS e
FROM orders
WHERE id <= 8
ORDER BY id;
