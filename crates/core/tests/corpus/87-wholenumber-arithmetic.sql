-- Whole-number arithmetic
SELECT id, mod(id, 7) AS a, div(id, 7) AS b, gcd(id, 12) AS c, lcm(id, 12) AS d, id % 5 AS e, id / 5 AS f
FROM orders
WHERE id <= 12
ORDER BY id;
