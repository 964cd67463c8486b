-- A text column that holds days
SELECT day_text, count(*) AS n FROM orders
WHERE day_text >= '2025-06-01' AND day_text < '2025-06-15'
GROUP BY day_text ORDER BY day_text;
