-- A right join and a cross join
SELECT c.id, t.tier
FROM customers c
RIGHT JOIN (VALUES ('gold'), ('iron')) AS t (tier) ON c."Tier" = t.tier AND c.id < 10
CROSS JOIN (SELECT 1 AS one) AS x
ORDER BY t.tier, c.id;
