-- A range in ON keeps customers without orders
SELECT c.id, c.name, count(o.id) AS orders
FROM customers AS c
LEFT JOIN orders AS o ON o.customer_id = c.id AND o.ordered_at >= '2025-06-01' AND o.ordered_at < '2025-06-08'
GROUP BY c.id, c.name ORDER BY c.id;
