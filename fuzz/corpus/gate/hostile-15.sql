SELECT ROW(pg_sleep(1)) AS a;
