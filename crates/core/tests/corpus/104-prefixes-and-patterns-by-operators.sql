-- Prefixes and patterns by operators
SELECT id, name ^@ 'Customer 1' AS a, name ~~ 'C%' AS b, name !~~ '%9' AS c, name ~~* 'c%' AS d, name ~* 'CUST' AS e, name !~ '[0-9]{2}' AS f
FROM customers
WHERE id BETWEEN 8 AND 12
ORDER BY id;
