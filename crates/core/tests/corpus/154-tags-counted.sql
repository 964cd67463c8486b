-- Tags counted
SELECT t.tag, count(*) AS n, count(DISTINCT o.customer_id) AS customers
FROM orders o
CROSS JOIN LATERAL unnest(o.tags) AS t (tag)
GROUP BY t.tag
ORDER BY n DESC, t.tag;
