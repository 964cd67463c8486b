-- Daily obsolescence values for plotting
SELECT
  DATE(date)        AS day,
  obsolescence_val  AS amount
FROM metrics
WHERE id = 'query-1'
  AND date BETWEEN '2025-06-02' AND '2025-06-25'
ORDER BY day, amount;
