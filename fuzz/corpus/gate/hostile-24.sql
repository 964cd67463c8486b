SELECT TREAT('0/0' AS pg_lsn) AS a;
