-- One number of days in its many spellings
SELECT count(*) AS n FROM orders
WHERE ordered_at >= CURRENT_DATE - INTERVAL '2800 days'
  AND ordered_at > now() - '2800 days'::interval
  AND shipped_on >= CURRENT_DATE - 2800
  AND created >= CURRENT_TIMESTAMP - CAST('400 weeks' AS interval)
  AND created >= now() - make_interval(days => 2800)
  AND created >= now() - 2800 * INTERVAL '1 day'
  AND created >= now() - INTERVAL '1 day' * 2800
  AND CURRENT_DATE - INTERVAL '400 weeks' <= ordered_at
ORDER BY n;
