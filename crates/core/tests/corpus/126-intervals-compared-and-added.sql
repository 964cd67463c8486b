-- Intervals compared and added
SELECT kind, sum(duration) AS total, avg(duration) AS mean, max(duration) - min(duration) AS span, extract(epoch FROM sum(duration)) / 60 AS minutes
FROM events
GROUP BY kind
ORDER BY kind;
