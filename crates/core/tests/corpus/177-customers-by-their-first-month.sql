-- Customers by their first month
WITH f AS (SELECT customer_id, date_trunc('month', min(ordered_at))::date AS cohort FROM orders GROUP BY customer_id) SELECT f.cohort, extract(month FROM age(date_trunc('month', o.ordered_at), f.cohort)) AS months, count(DISTINCT o.customer_id) AS n
FROM orders o JOIN f USING (customer_id)
GROUP BY 1, 2
ORDER BY 1, 2;
