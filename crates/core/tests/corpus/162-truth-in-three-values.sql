-- Truth in three values
SELECT id, (shipped_on > '2024-11-03') IS UNKNOWN AS a, (amount > 500) IS NOT TRUE AS b, (amount > 500) IS FALSE AS c, true AND NULL::bool IS NULL AS d
FROM orders
WHERE id <= 10
ORDER BY id;
