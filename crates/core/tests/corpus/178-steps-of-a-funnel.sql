-- Steps of a funnel
WITH s AS (SELECT customer_id, bool_or(kind = 'view') AS v, bool_or(kind = 'click') AS c, bool_or(kind = 'buy') AS b FROM events WHERE customer_id IS NOT NULL GROUP BY customer_id) SELECT count(*) FILTER (WHERE v) AS views, count(*) FILTER (WHERE v AND c) AS clicks, count(*) FILTER (WHERE v AND c AND b) AS buys
FROM s
ORDER BY 1;
