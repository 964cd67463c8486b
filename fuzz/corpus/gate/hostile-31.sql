SELECT n FROM generate_series(DATE '4000-01-01 BC', CURRENT_DATE, '1 hour') AS n;
