-- A tree, breadth first
WITH RECURSIVE t (id, level) AS (SELECT id, 1 FROM customers WHERE manager_id IS NULL UNION ALL SELECT c.id, t.level + 1 FROM customers c JOIN t ON c.manager_id = t.id) SELECT level, count(*) AS n, min(id) AS first
FROM t
GROUP BY level
ORDER BY level;
