-- From some days ago until today
SELECT count(*) AS n, sum(amount) AS total FROM orders
WHERE ordered_at::date BETWEEN CURRENT_DATE - 2500 AND CURRENT_DATE ORDER BY n;
