-- Fields of dates
SELECT id, extract(year FROM ordered_at) AS y, extract(quarter FROM ordered_at) AS q, extract(isodow FROM ordered_at) AS dow, date_part('week', ordered_at) AS w, extract(epoch FROM ordered_at)::bigint AS e
FROM orders
WHERE ordered_at >= '2025-06-01' AND ordered_at < '2025-06-08'
ORDER BY id;
