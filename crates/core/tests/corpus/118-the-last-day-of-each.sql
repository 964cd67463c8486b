-- The last day of each month
SELECT DISTINCT (date_trunc('month', ordered_at) + interval '1 month - 1 day')::date AS last
FROM orders
ORDER BY last;
