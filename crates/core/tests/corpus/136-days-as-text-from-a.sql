-- Days as text from a JSON document
SELECT id, payload -> 'n' AS a, payload #> '{n}' AS b, payload #>> '{n}' AS c, jsonb_typeof(payload -> 'even') AS d, payload - 'n' AS e, payload #- '{even}' AS f
FROM events
WHERE id <= 5
ORDER BY id;
