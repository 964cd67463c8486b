-- JSON paths as rows
SELECT e.id, q.value
FROM events e, jsonb_path_query(e.payload, '$.n') AS q (value)
WHERE e.id <= 4
ORDER BY e.id;
