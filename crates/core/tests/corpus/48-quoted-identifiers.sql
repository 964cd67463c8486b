-- Quoted and mixed-case names
SELECT c."Tier" AS "Customer Tier", count(*) AS "number of ""orders"""
FROM "public"."customers" AS c JOIN orders AS "O" ON "O".customer_id = c.id
WHERE "O".ordered_at >= '2025-06-01' AND "O".ordered_at < '2025-07-01'
GROUP BY c."Tier" ORDER BY "Customer Tier";
