-- A literal in CASE stays
SELECT CASE WHEN ordered_at < '2025-01-01' THEN 'old' ELSE 'new' END AS age_group, count(*) AS n
FROM orders GROUP BY 1 ORDER BY 1;
