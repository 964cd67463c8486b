-- This quarter, unless the caller says otherwise, with the days until its end.
SELECT date::date AS day, count(*) AS alerts, coalesce(:end_date, CAST(date_trunc('quarter', CURRENT_DATE) +
    INTERVAL '3 months' AS date) - 1) - date::date AS days_left
FROM metrics
WHERE date >= coalesce(:start_date, CAST(date_trunc('quarter', CURRENT_DATE) AS date))
    AND date < coalesce(:end_date, CAST(date_trunc('quarter', CURRENT_DATE) + INTERVAL '3 months' AS date) - 1) + 1
GROUP BY date::date
ORDER BY day
