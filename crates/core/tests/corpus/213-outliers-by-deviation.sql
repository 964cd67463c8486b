-- Outliers by deviation
SELECT m.metric_id, m.obsolescence_val
FROM metrics m, (SELECT avg(obsolescence_val) AS mean, stddev_samp(obsolescence_val) AS dev FROM metrics) AS s
WHERE abs(m.obsolescence_val - s.mean) > 1.5 * s.dev
ORDER BY m.obsolescence_val, m.metric_id;
