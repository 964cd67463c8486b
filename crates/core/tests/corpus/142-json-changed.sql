-- JSON changed
SELECT id, jsonb_set(payload, '{n}', '0') AS a, jsonb_insert(payload, '{new}', '[1]') AS b, jsonb_strip_nulls('{"a": null, "b": 1}') AS c, jsonb_pretty(payload) AS d, payload || '{"x": 1}' AS e
FROM events
WHERE id <= 3
ORDER BY id;
