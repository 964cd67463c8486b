-- Regular expressions that replace
SELECT id, regexp_replace(name, '\d+', 'N') AS a, regexp_replace(name, '([a-z])\1*', '<\1>', 'g') AS b
FROM customers
WHERE id <= 5
ORDER BY id;
