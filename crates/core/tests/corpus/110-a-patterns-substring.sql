-- A pattern's substring
SELECT id, substring(name FROM '\d+') AS a, substring(name SIMILAR '%#"[0-9]+#"' ESCAPE '#') AS b
FROM customers
WHERE id <= 5
ORDER BY id;
