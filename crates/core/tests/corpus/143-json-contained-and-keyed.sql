-- JSON contained and keyed
SELECT id, payload @> '{"even": true}' AS a, '{"n": 2}' <@ payload AS b, payload ?| ARRAY['n', 'z'] AS c, payload ?& ARRAY['n', 'even'] AS d, jsonb_array_length('[1, 2]') AS e
FROM events
WHERE id <= 4
ORDER BY id;
