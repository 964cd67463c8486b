-- Variance and deviation
SELECT status, round(stddev(amount), 4) AS a, round(stddev_pop(amount), 4) AS b, round(stddev_samp(amount), 4) AS c, round(variance(amount), 4) AS d, round(var_pop(amount), 4) AS e, round(var_samp(amount), 4) AS f
FROM orders
GROUP BY status
ORDER BY status;
