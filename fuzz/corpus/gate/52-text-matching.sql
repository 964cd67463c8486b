-- LIKE, ILIKE, SIMILAR TO, regular expressions, COLLATE
SELECT id, name FROM customers
WHERE (name LIKE 'Customer 1%' OR name ILIKE '%R 2_' OR name SIMILAR TO 'Customer (3|4)' OR name ~ '^Customer 5$')
  AND name NOT LIKE '%\_%' ESCAPE '\' AND signed_up >= '2024-11-01' AND signed_up <= '2025-08-31'
ORDER BY name COLLATE "C", id;
