-- The clock in SELECT and GROUP BY alike
SELECT CURRENT_DATE - shipped_on AS days_ago, age(shipped_on) AS age, count(*) AS n
FROM orders WHERE shipped_on >= '2025-06-01' AND shipped_on < '2025-06-05'
GROUP BY CURRENT_DATE - shipped_on, age(shipped_on) ORDER BY days_ago;
