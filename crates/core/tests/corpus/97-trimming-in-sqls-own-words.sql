-- Trimming in SQL's own words
SELECT id, trim(name) AS a, trim(LEADING 'C' FROM name) AS b, trim(TRAILING '1' FROM name) AS c, trim(BOTH 'C1' FROM name) AS d, btrim(name, 'Cr') AS e, ltrim(name, 'Cu') AS f, rtrim(name, '0') AS g
FROM customers
WHERE id <= 11
ORDER BY id;
