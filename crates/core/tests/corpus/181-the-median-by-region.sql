-- The median by region
SELECT c.region, percentile_cont(0.5) WITHIN GROUP (ORDER BY o.amount) AS median, mode() WITHIN GROUP (ORDER BY o.status) AS usual
FROM orders o JOIN customers c ON c.id = o.customer_id
GROUP BY c.region
ORDER BY c.region;
