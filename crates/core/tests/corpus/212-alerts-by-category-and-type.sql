-- Alerts by category and type
SELECT alert_category, alert_type, count(*) AS n, rank() OVER (PARTITION BY alert_category ORDER BY count(*) DESC, alert_type) AS place
FROM metrics
GROUP BY alert_category, alert_type
ORDER BY alert_category, place;
