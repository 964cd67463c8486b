-- Booleans aggregated
SELECT customer_id, bool_and(amount > 10) AS a, bool_or(amount > 900) AS b, every(amount > 0) AS c
FROM orders
GROUP BY customer_id
ORDER BY customer_id;
