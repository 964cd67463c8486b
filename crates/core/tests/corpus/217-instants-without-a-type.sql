-- Ordered or created in February, by instants that get their types from the columns
SELECT count(*) AS orders, sum(amount) AS total FROM orders
WHERE ordered_at BETWEEN '2025-02-01 00:00:00' AND '2025-02-28 23:59:59.999'
  AND created >= '2025-02-01T00:00:00.0' AND created < '2025-03-01T00:00:00.0' ORDER BY 1;
