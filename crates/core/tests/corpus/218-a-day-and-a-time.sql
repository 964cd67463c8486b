-- A day and a time
SELECT id, timestamptz("Event Day", time '10:30') AS at, "timestamp"("Event Day", time '10:30') AS local
FROM events
WHERE id <= 5
ORDER BY id;
