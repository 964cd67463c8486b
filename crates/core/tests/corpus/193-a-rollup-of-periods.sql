-- A rollup of periods
SELECT extract(year FROM ordered_at) AS y, extract(month FROM ordered_at) AS m, sum(amount) AS total
FROM orders
GROUP BY ROLLUP (1, 2)
ORDER BY y, m;
