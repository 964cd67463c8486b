-- Whole rows in a subquery
SELECT (t.c).region AS region, (t.c).id AS id
FROM (SELECT c FROM customers c WHERE c.id <= 5) AS t
ORDER BY id;
