-- A pivot by CASE
SELECT c.region, sum(CASE WHEN o.status = 'returned' THEN 1 ELSE 0 END) AS returned, round(avg(CASE WHEN o.status <> 'returned' THEN o.amount END), 2) AS kept
FROM orders o JOIN customers c ON c.id = o.customer_id
GROUP BY c.region
ORDER BY c.region;
