-- Records per metric and day
SELECT id, date::date AS day, avg(parts_flagged) AS flagged, max(obsolescence_val) AS worst
FROM metrics
WHERE date >= '2025-01-01' AND date < '2025-02-01'
GROUP BY id, day
ORDER BY id, day;
