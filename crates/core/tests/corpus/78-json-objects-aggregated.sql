-- JSON objects aggregated
SELECT json_object_agg(id, name ORDER BY id) AS a, jsonb_object_agg(id, region) AS b
FROM customers
WHERE id <= 5
ORDER BY count(*);
