-- Weeks, local
SELECT date_trunc('week', happened, 'Europe/Berlin') AS week, count(*) AS n
FROM events
WHERE happened >= '2025-03-01' AND happened < '2025-04-15'
GROUP BY 1
ORDER BY 1;
