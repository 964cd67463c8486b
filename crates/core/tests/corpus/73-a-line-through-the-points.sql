-- A line through the points
SELECT round(regr_slope(obsolescence, obsolescence_val)::numeric, 6) AS slope, round(regr_intercept(obsolescence, obsolescence_val)::numeric, 6) AS i, round(regr_r2(obsolescence, obsolescence_val)::numeric, 6) AS r2, regr_count(obsolescence, obsolescence_val) AS n
FROM metrics
ORDER BY n;
