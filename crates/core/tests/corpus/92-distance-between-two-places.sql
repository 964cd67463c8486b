-- Distance between two places
SELECT a.id AS one, b.id AS other, round((6371 * acos(least(1, cos(radians(a.id)) * cos(radians(b.id)) + sin(radians(a.id)) * sin(radians(b.id)))))::numeric, 3) AS km
FROM customers a JOIN customers b ON a.id < b.id
WHERE b.id <= 4
ORDER BY one, other;
