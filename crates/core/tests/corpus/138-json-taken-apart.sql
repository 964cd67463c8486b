-- JSON taken apart
SELECT e.id, p.key, p.value, t.value AS text
FROM events e, jsonb_each(e.payload) AS p JOIN LATERAL jsonb_each_text('{"n": 1, "even": 2}') AS t ON t.key = p.key
WHERE e.id <= 4
ORDER BY e.id, p.key;
