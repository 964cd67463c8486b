-- Days back from today, added as negative intervals and truncated
SELECT count(*) AS orders, min(id) AS first
FROM orders
WHERE created >= DATE_TRUNC('day', (NOW() + INTERVAL '-400 day')) AND created < DATE_TRUNC('day', NOW());
