-- A histogram
SELECT width_bucket(amount, ARRAY[100, 250, 500]::numeric[]) AS bucket, count(*) AS n, min(amount) AS low, max(amount) AS high
FROM orders
GROUP BY bucket
ORDER BY bucket;
