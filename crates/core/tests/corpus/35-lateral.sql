-- The three dearest orders of each customer
SELECT c.id, top.id AS order_id, top.amount
FROM customers c
CROSS JOIN LATERAL (
  SELECT o.id, o.amount FROM orders o
  WHERE o.customer_id = c.id AND o.ordered_at >= '2025-01-01' AND o.ordered_at < '2025-07-01'
  ORDER BY o.amount DESC, o.id LIMIT 3
) AS top
ORDER BY c.id, top.amount DESC, top.id;
