-- Subscripts generated
SELECT o.id, i, o.tags[i] AS tag
FROM orders o, generate_subscripts(o.tags, 1) AS i
WHERE o.id <= 4
ORDER BY o.id, i;
