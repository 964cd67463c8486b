-- Fields of a function's rows
SELECT (jsonb_each('{"a": 1}')).key AS key, (json_each_text('{"b": 2}')).value AS value
ORDER BY key;
