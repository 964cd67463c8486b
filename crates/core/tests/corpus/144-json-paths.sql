-- JSON paths
SELECT id, jsonb_path_exists(payload, '$.n ? (@ > 2)') AS a, jsonb_path_query_first(payload, '$.n') AS b, jsonb_path_query_array(payload, '$.*') AS c, payload @? '$.even' AS d, payload @@ '$.n < 3' AS e, jsonb_path_match(payload, '$.n == 1') AS f
FROM events
WHERE id <= 4
ORDER BY id;
