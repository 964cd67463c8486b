-- Roots, powers and logarithms
SELECT id, round(sqrt(amount), 4) AS a, round(cbrt(amount)::numeric, 4) AS b, round(power(amount, 2), 4) AS c, round(ln(amount), 4) AS d, round(log(amount), 4) AS e, round(log(2, amount), 4) AS f, round(exp(amount / 1000), 4) AS g, round(log10(amount), 4) AS h
FROM orders
WHERE id <= 10
ORDER BY id;
