-- Local days: the same expression in SELECT and GROUP BY
SELECT date_trunc('day', date AT TIME ZONE 'UTC' AT TIME ZONE :timezone) AS day, sum(obsolescence) AS cost
FROM metrics WHERE id = 'query-1' AND date >= :start_date AND date < :end_date + 1
GROUP BY date_trunc('day', date AT TIME ZONE 'UTC' AT TIME ZONE :timezone) ORDER BY 1;
