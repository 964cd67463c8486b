-- CTEs that build on each other
WITH recent AS (
  SELECT * FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-07-01'
), per_day AS (
  SELECT ordered_at::date AS day, sum(amount) AS total FROM recent GROUP BY 1
)
SELECT day, total, total - lag(total) OVER (ORDER BY day) AS change FROM per_day ORDER BY day;
