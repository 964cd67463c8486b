SELECT 1 AS a FROM orders GROUP BY pg_sleep(1);
