-- Correlation and covariance
SELECT round(corr(id, amount)::numeric, 6) AS a, round(covar_pop(id, amount)::numeric, 4) AS b, round(covar_samp(id, amount)::numeric, 4) AS c
FROM orders
ORDER BY a;
