-- CTEs that build on each other
WITH a AS (SELECT customer_id, sum(amount) AS total FROM orders GROUP BY customer_id), b AS (SELECT avg(total) AS mean FROM a), c AS NOT MATERIALIZED (SELECT a.* FROM a, b WHERE a.total > b.mean) SELECT c.customer_id, c.total
FROM c
ORDER BY c.total DESC, c.customer_id;
