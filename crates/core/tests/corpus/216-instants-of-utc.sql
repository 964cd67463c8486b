-- Created in February, by the first and last instants of its days in UTC
SELECT status, count(*) AS orders FROM orders
WHERE created >= '2025-02-01T00:00:00.000Z'::timestamptz AND created <= '2025-02-28T23:59:59.999Z'::timestamptz
GROUP BY status ORDER BY status;
