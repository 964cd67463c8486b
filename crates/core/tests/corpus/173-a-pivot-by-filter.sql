-- A pivot by FILTER
SELECT date_trunc('month', ordered_at)::date AS month, count(*) FILTER (WHERE status = 'open') AS open, count(*) FILTER (WHERE status = 'paid') AS paid, sum(amount) FILTER (WHERE status IN ('paid', 'shipped')) AS revenue
FROM orders
GROUP BY 1
ORDER BY 1;
