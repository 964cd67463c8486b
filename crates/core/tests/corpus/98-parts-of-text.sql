-- Parts of text
SELECT id, left(name, 3) AS a, right(name, 2) AS b, substr(name, 3, 4) AS c, substring(name FROM 2 FOR 3) AS d, split_part(name, ' ', 2) AS e, strpos(name, 't') AS f, position('o' IN name) AS g, starts_with(name, 'Cust') AS h
FROM customers
WHERE id <= 8
ORDER BY id;
