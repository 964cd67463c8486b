-- Position within a window
SELECT id, row_number() OVER w AS a, dense_rank() OVER w AS b, round(percent_rank() OVER w::numeric, 4) AS c, round(cume_dist() OVER w::numeric, 4) AS d, ntile(4) OVER w AS e
FROM customers
WINDOW w AS (PARTITION BY region ORDER BY id)
ORDER BY id;
