-- Hours of the day by weekday
SELECT extract(dow FROM happened AT TIME ZONE 'UTC') AS dow, extract(hour FROM happened AT TIME ZONE 'UTC') AS hour, count(*) AS n
FROM events
GROUP BY 1, 2
ORDER BY 1, 2;
