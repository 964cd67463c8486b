-- Rows as JSON
SELECT row_to_json(c) AS a, to_jsonb(c) - 'name' AS b
FROM customers c
WHERE id <= 3
ORDER BY id;
