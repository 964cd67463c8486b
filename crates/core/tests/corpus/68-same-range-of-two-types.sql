-- One range over a date and over a text whose spelling matters: both stay
SELECT count(*) AS n FROM orders WHERE shipped_on BETWEEN '2025-06-01' AND '2025-06-30'
  AND day_text >= '2025-06-01' AND day_text < '2025-07-01 00:00:00' ORDER BY n;
