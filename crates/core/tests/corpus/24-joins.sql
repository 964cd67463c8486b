-- Inner, left, cross and full joins
SELECT c.region, o.status, count(DISTINCT e.id) AS events
FROM customers c
JOIN orders o ON o.customer_id = c.id
LEFT JOIN events e ON e.customer_id = c.id AND e.kind = 'buy'
CROSS JOIN (VALUES (1), (2)) AS v (n)
WHERE o.shipped_on >= '2025-07-01' AND o.shipped_on <= '2025-07-10'
GROUP BY c.region, o.status ORDER BY c.region, o.status;
