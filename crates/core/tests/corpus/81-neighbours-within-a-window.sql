-- Neighbours within a window
SELECT id, lag(amount) OVER w AS a, lag(amount, 2, 0) OVER w AS b, lead(amount) OVER w AS c, lead(status, 1, 'none') OVER w AS d
FROM orders
WHERE id <= 30
WINDOW w AS (ORDER BY id)
ORDER BY id;
