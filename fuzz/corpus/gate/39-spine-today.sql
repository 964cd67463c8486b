-- A spine that ends today
SELECT s.d::date - CURRENT_DATE AS days_ago, s.n
FROM generate_series(CURRENT_DATE - INTERVAL '6 days', CURRENT_DATE, '1 day') WITH ORDINALITY AS s (d, n)
ORDER BY s.n;
