-- Count of total alerts by type in June 2025
SELECT
  alert_type,
  COUNT(*) AS total_alerts
FROM metrics
WHERE id = 'query-0'
  AND DATE(date) BETWEEN '2025-06-01' AND '2025-06-30'
GROUP BY alert_type
ORDER BY alert_type;
