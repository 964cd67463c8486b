-- The last days
SELECT count(*) AS n FROM orders WHERE ordered_at >= CURRENT_DATE - :day_range * INTERVAL '1 day' ORDER BY n;
