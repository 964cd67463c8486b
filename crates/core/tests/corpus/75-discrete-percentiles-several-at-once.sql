-- Discrete percentiles, several at once
SELECT percentile_disc(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY amount) AS quartiles, percentile_cont(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY amount) AS tails
FROM orders
ORDER BY 1;
