-- An exclusive first day is no range
SELECT count(*) AS n FROM orders WHERE shipped_on > '2025-06-01' AND shipped_on <= '2025-06-30' ORDER BY n;
