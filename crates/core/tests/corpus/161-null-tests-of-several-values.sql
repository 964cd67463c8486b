-- Null tests of several values
SELECT id, num_nulls(shipped_on, customer_id) AS a, num_nonnulls(shipped_on, customer_id) AS b, shipped_on ISNULL AS c, (shipped_on, id) IS NULL AS d, coalesce(shipped_on, ordered_at::date) AS e
FROM orders
WHERE id <= 10
ORDER BY id;
