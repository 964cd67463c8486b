-- Sessions by gaps
WITH g AS (SELECT id, customer_id, happened, happened - lag(happened) OVER (PARTITION BY customer_id ORDER BY happened) > interval '20 days' AS new FROM events WHERE customer_id <= 3) SELECT id, customer_id, count(*) FILTER (WHERE new) OVER (PARTITION BY customer_id ORDER BY happened) AS session
FROM g
ORDER BY id;
