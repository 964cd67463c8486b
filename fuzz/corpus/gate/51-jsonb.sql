-- Fields of JSON
SELECT id, payload ->> 'n' AS n, (payload -> 'even')::boolean AS even, payload @> '{"even": true}' AS contains
FROM events WHERE happened BETWEEN '2025-06-01' AND '2025-06-05' AND payload ? 'n' ORDER BY id;
