-- Names quoted
SELECT id, quote_ident("Tier" || ' x') AS a, quote_literal(name || '''s') AS b, quote_nullable(nullif(id, 3)::text) AS c, parse_ident('public.orders') AS d
FROM customers
WHERE id <= 4
ORDER BY id;
