-- A join with an alias of its own
SELECT j.id, a.region, b.name
FROM (customers a JOIN customers b USING (id)) AS j (id, a1, a2, a3, a4, a5, b1, b2, b3, b4, b5), customers a, customers b
WHERE a.id = j.id AND b.id = j.id AND j.id <= 3
ORDER BY j.id;
