-- Bounds of different columns are no range
SELECT count(*) AS n FROM orders o JOIN customers c ON c.id = o.customer_id
WHERE o.shipped_on >= '2025-06-01' AND c.signed_up < '2025-04-01' ORDER BY n;
