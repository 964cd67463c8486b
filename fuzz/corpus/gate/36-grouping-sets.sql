-- Totals by region, by tier and in all
SELECT region, "Tier", grouping(region, "Tier") AS level, count(*) AS n
FROM customers
WHERE signed_up BETWEEN '2024-12-01' AND '2025-04-30'
GROUP BY GROUPING SETS ((region), ("Tier"), ())
ORDER BY level, region, "Tier";
