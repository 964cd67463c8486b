-- MATERIALIZED and a CTE named like a table
WITH orders AS MATERIALIZED (SELECT * FROM public.orders WHERE status = 'returned')
SELECT count(*) AS returned, min(id) AS first FROM orders
WHERE created >= '2025-01-01' AND created < '2025-02-01' ORDER BY 1;
