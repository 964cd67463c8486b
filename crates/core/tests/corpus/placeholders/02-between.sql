-- Shipped in the window
SELECT shipped_on, count(*) AS n FROM orders WHERE shipped_on BETWEEN :start_date AND :end_date GROUP BY 1 ORDER BY 1;
