SELECT n FROM generate_series(1, :day_range::text::int) AS n;
