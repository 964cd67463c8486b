-- A time of day is no whole day
SELECT count(*) AS n FROM orders
WHERE ordered_at >= '2025-06-01 06:00:00' AND ordered_at <= '2025-06-30 23:59:59' ORDER BY n;
