-- Change against the day before
WITH d AS (SELECT date(ordered_at) AS day, sum(amount) AS total FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-07-01' GROUP BY 1) SELECT day, total, total - lag(total) OVER (ORDER BY day) AS change, round(100 * total / sum(total) OVER (), 2) AS share
FROM d
ORDER BY day;
