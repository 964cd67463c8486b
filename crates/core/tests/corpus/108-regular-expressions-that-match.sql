-- Regular expressions that match
SELECT id, regexp_match(name, '(\w+) (\d+)') AS a, (regexp_match(name, '\d+'))[1]::int AS b, m.parts
FROM customers, LATERAL regexp_matches(name, '[a-z]{2}', 'g') AS m (parts)
WHERE id <= 3
ORDER BY id, m.parts;
