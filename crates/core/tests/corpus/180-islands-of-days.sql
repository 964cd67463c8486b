-- Islands of days
WITH d AS (SELECT DISTINCT ordered_at::date AS day FROM orders WHERE customer_id = 5), i AS (SELECT day, day - row_number() OVER (ORDER BY day)::int AS island FROM d) SELECT min(day) AS first, max(day) AS last, count(*) AS days
FROM i
GROUP BY island
ORDER BY first;
