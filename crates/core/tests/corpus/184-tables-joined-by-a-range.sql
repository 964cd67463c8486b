-- Tables joined by a range of days
SELECT o.id, count(e.id) AS events
FROM orders o
LEFT JOIN events e ON e.customer_id = o.customer_id AND e.happened >= o.created - interval '7 days' AND e.happened < o.created
WHERE o.id <= 60
GROUP BY o.id
ORDER BY o.id;
