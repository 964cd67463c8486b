-- Two series side by side
SELECT a.n AS a, b.d::date AS b
FROM generate_series(1, 3) WITH ORDINALITY AS a (n, i) JOIN generate_series(DATE '2025-01-01', DATE '2025-01-03', '1 day') WITH ORDINALITY AS b (d, i) USING (i)
ORDER BY a.n;
