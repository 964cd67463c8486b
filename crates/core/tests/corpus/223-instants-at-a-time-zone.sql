-- Created in February, by local instants of a place and by casts of dates
SELECT status, count(*) AS orders FROM orders
WHERE created >= '2025-02-01T00:00:00.000'::timestamp AT TIME ZONE 'Europe/Berlin' AND created <= '2025-02-28T23:59:59.999'::timestamp AT TIME ZONE 'Europe/Berlin'
  AND ordered_at >= DATE '2025-02-01'::timestamp AND ordered_at < CAST(DATE '2025-03-01' AS timestamp)
GROUP BY status ORDER BY status;
