-- Keys of JSON
SELECT e.id, k.key
FROM events e, jsonb_object_keys(e.payload) AS k (key)
WHERE e.id <= 4
ORDER BY e.id, k.key;
