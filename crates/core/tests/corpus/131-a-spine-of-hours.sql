-- A spine of hours
SELECT h, count(e.id) AS n
FROM generate_series(timestamptz '2025-06-01 00:00+00', timestamptz '2025-06-03 00:00+00', interval '1 hour') AS h
LEFT JOIN events e ON e.happened >= h AND e.happened < h + interval '1 hour'
GROUP BY h
ORDER BY h;
