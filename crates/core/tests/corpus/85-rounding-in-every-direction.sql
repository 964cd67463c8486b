-- Rounding in every direction
SELECT id, ceil(amount) AS a, ceiling(amount) AS b, floor(amount) AS c, trunc(amount, 1) AS d, round(amount) AS e, sign(amount - 500) AS f, abs(amount - 500) AS g
FROM orders
WHERE id <= 20
ORDER BY id;
