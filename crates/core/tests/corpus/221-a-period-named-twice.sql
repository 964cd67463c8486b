-- June, by its month, its number of days and its dates
SELECT round(sum(amount) / 30, 2) AS per_day FROM orders
WHERE extract(month FROM ordered_at) = 6 AND ordered_at BETWEEN '2025-06-01' AND '2025-06-30' ORDER BY 1;
