-- Total obsolescence cost avoided over the last days
SELECT
  DATE(date)          AS day,
  SUM(obsolescence)   AS cost_avoided
FROM metrics
WHERE id = 'query-1'
  AND date >= CURRENT_DATE - INTERVAL '3000' DAY
GROUP BY DATE(date)
ORDER BY day;
