-- The chain of managers
WITH RECURSIVE chain (id, depth, path) AS (
  SELECT id, 0, ARRAY[id] FROM customers WHERE manager_id IS NULL
  UNION ALL
  SELECT c.id, chain.depth + 1, chain.path || c.id FROM customers c JOIN chain ON c.manager_id = chain.id
)
SELECT id, depth, path FROM chain ORDER BY id;
