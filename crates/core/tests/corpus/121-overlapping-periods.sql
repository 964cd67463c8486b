-- Overlapping periods
SELECT a.id AS one, b.id AS other
FROM orders a JOIN orders b ON a.id < b.id AND a.customer_id = b.customer_id
WHERE (a.ordered_at, interval '40 days') OVERLAPS (b.ordered_at, interval '40 days') AND b.id < 200
ORDER BY one, other;
