-- Days counted by recursion
WITH RECURSIVE d (day) AS (SELECT DATE '2025-06-01' UNION ALL SELECT day + 1 FROM d WHERE day < '2025-06-10') SELECT d.day, count(o.id) AS n
FROM d
LEFT JOIN orders o ON o.ordered_at::date = d.day
GROUP BY d.day
ORDER BY d.day;
