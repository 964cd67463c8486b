-- Conditions in columns
SELECT id, CASE WHEN amount < 100 THEN 'small' WHEN amount < 500 THEN 'medium' ELSE 'large' END AS size, CASE status WHEN 'open' THEN 1 WHEN 'paid' THEN 2 END AS code
FROM orders
WHERE id <= 20
ORDER BY id;
