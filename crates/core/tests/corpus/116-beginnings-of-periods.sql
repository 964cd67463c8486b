-- Beginnings of periods
SELECT date_trunc('year', ordered_at)::date AS y, date_trunc('quarter', ordered_at)::date AS q, date_trunc('month', ordered_at)::date AS m, count(*) AS n
FROM orders
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3;
