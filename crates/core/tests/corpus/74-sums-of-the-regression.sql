-- Sums of the regression
SELECT round(regr_avgx(id, amount)::numeric, 4) AS x, round(regr_avgy(id, amount)::numeric, 4) AS y, round(regr_sxx(id, amount)::numeric, 2) AS sxx, round(regr_syy(id, amount)::numeric, 2) AS syy, round(regr_sxy(id, amount)::numeric, 2) AS sxy
FROM orders
ORDER BY x;
