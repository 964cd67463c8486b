-- A range that a FILTER repeats stays with it
SELECT count(*) AS n, count(*) FILTER (WHERE shipped_on BETWEEN '2025-06-01' AND '2025-06-30' AND status = 'paid') AS paid
FROM orders WHERE shipped_on BETWEEN '2025-06-01' AND '2025-06-30' ORDER BY n;
