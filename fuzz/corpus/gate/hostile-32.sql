SELECT n FROM generate_series(1) AS n;
