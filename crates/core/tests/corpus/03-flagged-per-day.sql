-- Total parts flagged and average per day
SELECT
  SUM(parts_flagged)          AS total_flagged,
  AVG(parts_flagged)::DECIMAL(10,2) AS avg_per_day
FROM metrics
WHERE id = 'query-2'
  AND date >= CURRENT_DATE - INTERVAL '2000' DAY
ORDER BY 1;
