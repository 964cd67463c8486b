-- Subqueries that compare
SELECT id
FROM orders
WHERE amount >= ALL (SELECT amount FROM orders WHERE customer_id = 4) OR amount = ANY (SELECT max(amount) FROM orders GROUP BY customer_id)
ORDER BY id;
