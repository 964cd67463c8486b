-- Values as a table
SELECT v.status, v.rank, count(o.id) AS n
FROM (VALUES ('open', 1), ('paid', 2), ('lost', 3)) AS v (status, rank)
LEFT JOIN orders o USING (status)
GROUP BY v.status, v.rank
ORDER BY v.rank;
