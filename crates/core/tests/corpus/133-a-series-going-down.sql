-- A series going down
SELECT n, n * n AS square
FROM generate_series(10, -10, -2) AS n
ORDER BY n;
