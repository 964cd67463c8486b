SELECT pg_sleep(1) AT TIME ZONE 'UTC' AS a;
