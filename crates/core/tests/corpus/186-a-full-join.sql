-- A full join
SELECT coalesce(a.day, b.day) AS day, a.n AS orders, b.n AS events
FROM (SELECT ordered_at::date AS day, count(*) AS n FROM orders WHERE id % 3 = 0 GROUP BY 1) a
FULL JOIN (SELECT (happened AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM events WHERE id % 4 = 0 GROUP BY 1) b ON a.day = b.day
ORDER BY 1;
