-- Customers who are new within some days, and had not ordered before them
SELECT o.customer_id, count(*) AS n FROM orders AS o WHERE o.ordered_at >= CURRENT_DATE - 600 AND NOT EXISTS
  (SELECT 1 FROM orders AS p WHERE p.customer_id = o.customer_id AND p.ordered_at < CURRENT_DATE - 600)
GROUP BY o.customer_id ORDER BY o.customer_id;
