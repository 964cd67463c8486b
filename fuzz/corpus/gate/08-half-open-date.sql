-- Shipped in the first quarter
SELECT shipped_on, count(*) AS n FROM orders
WHERE shipped_on >= '2025-01-01' AND shipped_on < '2025-04-01'
GROUP BY shipped_on ORDER BY shipped_on;
