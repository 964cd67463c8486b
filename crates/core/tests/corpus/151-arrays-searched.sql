-- Arrays searched
SELECT id, array_position(tags, 't1') AS a, array_positions(tags, 't2') AS b, array_length(tags, 1) AS c, array_upper(tags, 1) AS d, array_lower(tags, 1) AS e, array_ndims(tags) AS f, array_dims(tags) AS g
FROM orders
WHERE id <= 8
ORDER BY id;
