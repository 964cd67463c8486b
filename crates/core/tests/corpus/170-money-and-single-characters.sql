-- Money and single characters
SELECT id, amount::money::numeric AS a, 'x'::"char" AS b, 'abc'::name AS c, 'abc'::char(5) || '|' AS d, 'abcdef'::varchar(4) AS e
FROM orders
WHERE id <= 3
ORDER BY id;
