-- Inverse and hyperbolic angles
SELECT id, round(asin(1.0 / id)::numeric, 6) AS a, round(acos(1.0 / id)::numeric, 6) AS b, round(atan(id)::numeric, 6) AS c, round(sinh(id)::numeric, 4) AS d, round(tanh(id)::numeric, 6) AS e, round(asinh(id)::numeric, 6) AS f, round(acosh(id)::numeric, 6) AS g, sind(30) AS h, cosd(60) AS i
FROM customers
WHERE id <= 5
ORDER BY id;
