-- A row for each unit
SELECT c.id, unit, month
FROM customers c, generate_series(1, c.id % 3 + 1) AS unit, generate_series(c.signed_up, c.signed_up + 60, '1 month') AS month
WHERE c.id <= 6
ORDER BY c.id, unit, month;
