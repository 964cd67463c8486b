-- JSON grouped by a field
SELECT payload ->> 'even' AS even, count(*) AS n, sum((payload ->> 'n')::int) AS total, avg((payload -> 'n')::numeric) AS mean
FROM events
GROUP BY 1
ORDER BY 1;
