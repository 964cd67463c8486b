-- Angles
SELECT id, round(sin(id)::numeric, 6) AS a, round(cos(id)::numeric, 6) AS b, round(tan(id)::numeric, 6) AS c, round(cot(id)::numeric, 6) AS d, round(atan2(id, 3)::numeric, 6) AS e, round(degrees(id)::numeric, 4) AS f, round(radians(id)::numeric, 6) AS g, round(pi()::numeric, 6) AS h
FROM customers
WHERE id <= 5
ORDER BY id;
