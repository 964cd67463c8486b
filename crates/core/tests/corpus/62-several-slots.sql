-- A range and a number of days in one query
SELECT c.region, count(*) AS n FROM customers c JOIN orders o ON o.customer_id = c.id AND o.created >= now() - INTERVAL '3500 days'
WHERE c.signed_up BETWEEN '2024-11-01' AND '2025-03-31' GROUP BY c.region ORDER BY c.region;
