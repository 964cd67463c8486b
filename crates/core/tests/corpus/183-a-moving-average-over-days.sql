-- A moving average over days
SELECT day, n, round(avg(n) OVER (ORDER BY day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW), 2) AS week
FROM (SELECT ordered_at::date AS day, count(*) AS n FROM orders GROUP BY 1) AS d
WHERE day BETWEEN '2025-01-01' AND '2025-02-28'
ORDER BY day;
