-- A spine of numbers
SELECT n, count(o.id) AS orders
FROM generate_series(0, 9) AS n
LEFT JOIN orders o ON o.id % 10 = n AND o.status = 'open'
GROUP BY n
ORDER BY n;
