-- unnest WITH ORDINALITY and ROWS FROM
SELECT o.id, t.tag, t.n, r.a, r.b
FROM orders o, unnest(o.tags) WITH ORDINALITY AS t (tag, n),
  ROWS FROM (generate_series(1, 2), generate_series(5, 6)) AS r (a, b)
WHERE o.id BETWEEN 1 AND 5 AND o.ordered_at >= '2024-11-01' AND o.ordered_at < '2024-12-01'
ORDER BY o.id, t.n, r.a;
