-- Upper bounds on instants, days, texts and their groups
SELECT CASE WHEN created <= '2025-03-31' THEN 'before' ELSE 'after' END AS half, count(*) FILTER (WHERE shipped_on <= DATE '2025-03-31') AS shipped,
  count(*) FILTER (WHERE day_text <= '2025-03-31') AS by_text, max(ordered_at) <= '2025-03-31' AS is_over
FROM orders
WHERE ordered_at::date <= '2025-06-30' OR ordered_at NOT BETWEEN '2025-01-01' AND timestamp '2025-06-30'
GROUP BY CASE WHEN created <= '2025-03-31' THEN 'before' ELSE 'after' END ORDER BY 1;
