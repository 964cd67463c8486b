-- Rows compared as a whole
SELECT o.id
FROM orders o
WHERE (o.status, o.customer_id) IN (SELECT 'paid', id FROM customers WHERE region <> 'north') AND ROW(o.id, 1) < ROW(300, 0)
ORDER BY o.id;
