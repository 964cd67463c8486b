-- Text joined from an array
SELECT id, array_to_string(tags, ',', '-') AS a, cardinality(tags) AS b, md5(array_to_string(tags, '')) AS c
FROM orders
WHERE id <= 10
ORDER BY id;
