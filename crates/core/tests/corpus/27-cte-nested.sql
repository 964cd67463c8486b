-- A CTE inside a CTE, with the same name outside
WITH t AS (
  WITH t AS (SELECT id, amount FROM orders WHERE shipped_on BETWEEN '2025-03-01' AND '2025-03-07')
  SELECT id, amount * 2 AS amount FROM t
)
SELECT id, amount FROM t ORDER BY id;
