-- Bits of numbers
SELECT id, id & 6 AS a, id | 8 AS b, id # 5 AS c, ~id AS d, id << 2 AS e, id >> 1 AS f, |/ id::float8 AS g, ||/ 27.0::float8 AS h
FROM customers
WHERE id <= 8
ORDER BY id;
