-- Shipping time by status
SELECT status, avg(shipped_on - ordered_at::date) AS days, min(shipped_on - ordered_at::date) AS least, count(shipped_on) AS shipped
FROM orders
GROUP BY status
HAVING count(*) > 10
ORDER BY status;
