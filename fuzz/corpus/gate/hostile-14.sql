SELECT sum(1) OVER w AS a FROM orders WINDOW w AS (ORDER BY pg_sleep(1));
