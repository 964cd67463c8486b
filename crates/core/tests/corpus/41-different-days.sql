-- Different numbers of days stay
SELECT (SELECT count(*) FROM orders WHERE ordered_at >= CURRENT_DATE - INTERVAL '600' DAY) AS some,
       (SELECT count(*) FROM orders WHERE ordered_at >= CURRENT_DATE - INTERVAL '2000' DAY) AS many
ORDER BY 1;
