-- Comparisons by name
SELECT id, id <> 3 AS a, id != 3 AS b, id <= 2 AS c, id IS NOT DISTINCT
FROM 2 AS d, NOT id = 2 AS e, id NOT IN (1, 2) AS f, id NOT BETWEEN 2 AND 3 AS g
FROM customers
WHERE id <= 4
ORDER BY id;
