SELECT pg_blocking_pids(1) AS a;
