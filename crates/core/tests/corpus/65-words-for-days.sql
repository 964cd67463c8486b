-- Words for days are the clock's where they are compared with dates, and texts elsewhere
SELECT count(*) AS n, count(*) FILTER (WHERE ordered_at < 'today' AND created < 'now') AS before,
  count(*) FILTER (WHERE shipped_on BETWEEN 'yesterday' AND ' Tomorrow ') AS about, 'today' AS label,
  count(*) FILTER (WHERE status = 'today' OR day_text >= 'now 1' OR shipped_on IN ('today', '2025-06-01')) AS some,
  max(coalesce(shipped_on, 'today')) - min('today' - coalesce(shipped_on, 'yesterday')) AS last,
  count(*) FILTER (WHERE (shipped_on, id) < ('today', 3)) AS r, max(greatest(created, 'yesterday')) AS g,
  count(*) FILTER (WHERE 'today' IN (SELECT signed_up FROM customers) OR 'now' BETWEEN shipped_on AND ordered_at) AS s
FROM orders WHERE ordered_at < 'tomorrow'
GROUP BY CASE WHEN ordered_at >= 'today' THEN 'today' ELSE 'earlier' END, nullif(shipped_on, 'today') >= 'yesterday'
HAVING max(ordered_at) < 'today' AND (nullif(shipped_on, 'today') >= 'yesterday') IS NOT TRUE
ORDER BY n;
