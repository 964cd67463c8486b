-- A series of fractions
SELECT q, percentile_cont(q::float8) WITHIN GROUP (ORDER BY 1) AS one
FROM generate_series(0.0, 1.0, 0.25) AS q
GROUP BY q
ORDER BY q;
