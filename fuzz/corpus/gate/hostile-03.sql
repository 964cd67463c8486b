SELECT pg_sleep(10) AS a;
