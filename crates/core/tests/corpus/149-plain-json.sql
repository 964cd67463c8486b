-- Plain JSON
SELECT json_typeof('[1]'::json) AS a, json_array_length('[1, 2]') AS b, json_extract_path_text('{"a": {"b": 3}}', 'a', 'b') AS c, '{"a": [1]}'::json #>> '{a,0}' AS d, json_object('{a,1,b,2}') AS e, jsonb_object(ARRAY['k'], ARRAY['v']) AS f
ORDER BY 1;
