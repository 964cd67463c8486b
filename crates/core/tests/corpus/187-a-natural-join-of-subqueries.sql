-- A natural join of subqueries
SELECT *
FROM (SELECT id, region FROM customers) a NATURAL JOIN (SELECT id, name FROM customers WHERE id < 6) b
ORDER BY id;
