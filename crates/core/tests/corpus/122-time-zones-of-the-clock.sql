-- Time zones of the clock
SELECT id, happened AT TIME ZONE 'America/New_York' AS a, timezone('Asia/Tokyo', happened) AS b, (happened AT TIME ZONE 'UTC')::time AS c, happened AT TIME ZONE interval '2 hours' AS d
FROM events
WHERE id <= 5
ORDER BY id;
