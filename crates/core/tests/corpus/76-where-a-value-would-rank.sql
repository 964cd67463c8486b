-- Where a value would rank
SELECT rank(500) WITHIN GROUP (ORDER BY amount) AS a, dense_rank(500) WITHIN GROUP (ORDER BY amount) AS b, round(percent_rank(500) WITHIN GROUP (ORDER BY amount)::numeric, 6) AS c, round(cume_dist(500) WITHIN GROUP (ORDER BY amount)::numeric, 6) AS d
FROM orders
ORDER BY a;
