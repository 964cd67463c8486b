-- Orders and events as one feed
SELECT 'order' AS kind, id::bigint AS id, ordered_at AS moment FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-06-04'
UNION ALL
SELECT kind, id, happened AT TIME ZONE 'UTC' FROM events WHERE happened >= '2025-06-01' AND happened < '2025-06-04'
ORDER BY moment, kind, id LIMIT 50 OFFSET 2;
