SELECT n FROM generate_series(100000, 1, -1) AS n;
