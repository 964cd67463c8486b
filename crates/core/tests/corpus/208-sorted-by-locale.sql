-- Sorted by locale
SELECT region COLLATE "POSIX" AS area, max("Tier" COLLATE "C") AS tier, min(name COLLATE "ucs_basic") AS first
FROM customers
GROUP BY 1
ORDER BY area DESC;
