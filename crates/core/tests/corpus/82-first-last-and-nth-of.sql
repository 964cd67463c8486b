-- First, last and n-th of a frame
SELECT id, first_value(amount) OVER w AS a, last_value(amount) OVER w AS b, nth_value(amount, 2) OVER w AS c
FROM orders
WHERE id <= 30
WINDOW w AS (PARTITION BY customer_id % 3 ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
ORDER BY id;
