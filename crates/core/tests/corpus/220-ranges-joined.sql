-- Ranges joined
SELECT customer_id, range_agg(daterange(shipped_on, shipped_on + 3)) AS shipped
FROM orders
WHERE shipped_on IS NOT NULL AND customer_id <= 3
GROUP BY customer_id
ORDER BY customer_id
