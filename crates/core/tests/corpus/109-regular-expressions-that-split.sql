-- Regular expressions that split
SELECT id, regexp_split_to_array(name, '\s') AS a, s.part
FROM customers, regexp_split_to_table(region, 't') AS s (part)
WHERE id <= 6
ORDER BY id, s.part;
