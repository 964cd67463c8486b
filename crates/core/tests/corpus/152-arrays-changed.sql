-- Arrays changed
SELECT id, array_append(tags, 'x') AS a, array_prepend('y', tags) AS b, array_cat(tags, ARRAY['z']) AS c, array_remove(tags, 't1') AS d, array_replace(tags, 't2', 'two') AS e, tags || 'end'::text AS f
FROM orders
WHERE id <= 5
ORDER BY id;
