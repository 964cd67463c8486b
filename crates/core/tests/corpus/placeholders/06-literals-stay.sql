-- With placeholders, literal ranges stay as written
SELECT count(*) AS n, :start_date, :end_date FROM orders
WHERE shipped_on BETWEEN :start_date AND :end_date AND ordered_at >= '2025-01-01' AND ordered_at < '2025-09-01' ORDER BY n;
