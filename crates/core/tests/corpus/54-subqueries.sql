-- EXISTS, IN, ANY, ALL and scalar subqueries
SELECT c.id, (SELECT max(o.amount) FROM orders o WHERE o.customer_id = c.id) AS best
FROM customers c
WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id AND o.shipped_on BETWEEN '2025-06-01' AND '2025-06-10')
  AND c.id IN (SELECT customer_id FROM events WHERE kind = 'buy')
  AND c.id <> ALL (SELECT id FROM customers WHERE region = 'east')
  AND c.id = ANY (ARRAY(SELECT customer_id FROM orders WHERE amount > 10))
ORDER BY c.id;
