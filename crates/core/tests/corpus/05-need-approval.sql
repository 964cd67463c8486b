-- Daily counts of 'Need approval' alerts
SELECT
  DATE(date)        AS day,
  COUNT(*)          AS need_approval_count
FROM metrics
WHERE alert_category = 'Need approval'
  AND DATE(date) BETWEEN '2025-06-02' AND '2025-06-25'
GROUP BY DATE(date)
ORDER BY day;
