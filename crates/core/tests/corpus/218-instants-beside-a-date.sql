-- Shipped in February, by instants beside a date
SELECT shipped_on, count(*) AS orders FROM orders
WHERE shipped_on >= '2025-02-01T00:00:00.000' AND shipped_on <= '2025-02-28T23:59:59.999'
GROUP BY shipped_on ORDER BY shipped_on;
