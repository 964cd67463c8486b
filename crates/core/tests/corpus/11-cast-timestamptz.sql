-- Casts behind the literals, ISO spelling
SELECT kind, count(*) AS n FROM events
WHERE happened >= '2025-03-01T00:00:00'::timestamptz AND happened <= '2025-03-31T00:00:00'::timestamptz
GROUP BY kind ORDER BY kind;
