-- Percentiles and ordered aggregates
SELECT status, percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) AS median, mode() WITHIN GROUP (ORDER BY customer_id) AS common,
  string_agg(DISTINCT day_text, ', ' ORDER BY day_text DESC) AS days, array_agg(id ORDER BY id) AS ids
FROM orders WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-06-04' GROUP BY status ORDER BY status;
