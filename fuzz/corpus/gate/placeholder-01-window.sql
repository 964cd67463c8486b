-- Orders of the window
SELECT status, count(*) AS n FROM orders
WHERE ordered_at >= :start_date AND ordered_at < :end_date + 1 GROUP BY status ORDER BY status;
