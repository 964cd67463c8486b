-- NULL tests, COALESCE, NULLIF, IS DISTINCT FROM
SELECT e.id, coalesce(e.customer_id, 0) AS customer, nullif(e.kind, 'view') AS kind, e.customer_id IS NULL AS missing,
  (e.duration > '10 minutes') IS TRUE AS long, e.customer_id IS DISTINCT FROM 5 AS other, num_nulls(e.customer_id) AS nulls
FROM events e WHERE e."Event Day" >= '2025-06-01' AND e."Event Day" < '2025-06-08' ORDER BY e.id;
