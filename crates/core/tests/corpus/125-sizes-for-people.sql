-- Sizes for people
SELECT id, pg_size_pretty((amount * 1000)::bigint) AS size, pg_typeof(amount)::text AS type
FROM orders
WHERE id <= 5
ORDER BY id;
