-- Text put together
SELECT id, concat(region, '-', id, NULL) AS a, concat_ws('/', region, NULL, "Tier") AS b, format('%s (%s): %5s|%-8s|%%', name, id, id, region) AS c, overlay(name PLACING '##' FROM 2 FOR 3) AS d, replace(name, 'Customer', 'C') AS e, translate(name, 'Cu', 'Kv') AS f
FROM customers
WHERE id <= 8
ORDER BY id;
