SELECT GROUPING(pg_sleep(1)) AS a FROM orders GROUP BY CUBE (pg_sleep(1));
