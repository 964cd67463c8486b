-- JOIN USING and NATURAL
SELECT customer_id, a.n, b.m
FROM (SELECT customer_id, count(*) AS n FROM orders GROUP BY customer_id) AS a
JOIN (SELECT customer_id, count(*) AS m FROM events GROUP BY customer_id) AS b USING (customer_id)
ORDER BY customer_id;
