-- Days back from today, added as negative intervals and truncated
SELECT status, count(*) AS orders
FROM orders
WHERE created >= DATE_TRUNC('day', (NOW() + INTERVAL '-400 day')) AND created < DATE_TRUNC('day', NOW())
GROUP BY status ORDER BY status;
