-- Running totals and moving averages
SELECT id, amount, sum(amount) OVER w AS running,
  avg(amount) OVER (ORDER BY id ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS moving,
  rank() OVER (PARTITION BY status ORDER BY amount DESC, id) AS place,
  first_value(id) OVER (ORDER BY id RANGE UNBOUNDED PRECEDING) AS first
FROM orders WHERE ordered_at >= '2025-08-01' AND ordered_at < '2025-08-15'
WINDOW w AS (PARTITION BY customer_id ORDER BY id ROWS UNBOUNDED PRECEDING)
ORDER BY id;
