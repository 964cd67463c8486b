-- Midnight written out, untyped
SELECT count(*) AS n FROM orders
WHERE ordered_at BETWEEN '2025-06-01 00:00:00' AND '2025-06-30 00:00:00' ORDER BY n;
