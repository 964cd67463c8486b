-- JSON put together
SELECT id, json_build_object('id', id, 'tags', tags) AS a, jsonb_build_array(id, status, NULL) AS b, to_jsonb(tags) AS c, to_json(ordered_at) AS d, array_to_json(tags) AS e
FROM orders
WHERE id <= 4
ORDER BY id;
