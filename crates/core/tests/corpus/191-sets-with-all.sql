-- Sets with ALL
SELECT status
FROM orders
WHERE id <= 8 INTERSECT ALL SELECT status
FROM orders
WHERE id BETWEEN 5 AND 10 EXCEPT ALL SELECT 'paid'
ORDER BY status;
