-- Local days of Berlin
SELECT date_trunc('day', happened AT TIME ZONE 'Europe/Berlin') AS day, count(*) AS n
FROM events WHERE happened >= '2025-03-25' AND happened < '2025-04-05'
GROUP BY 1 ORDER BY 1;
