-- Customers that ordered and had events, without the returned
(SELECT customer_id FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-07-01'
 INTERSECT
 SELECT customer_id FROM events WHERE happened >= '2025-06-01' AND happened < '2025-07-01')
EXCEPT
SELECT customer_id FROM orders WHERE status = 'returned' AND shipped_on BETWEEN '2025-06-01' AND '2025-06-30'
ORDER BY 1;
