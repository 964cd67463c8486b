-- LIKE with ANY and ALL
SELECT id, name LIKE ANY (ARRAY['%1', '%2']) AS a, name LIKE ALL (ARRAY['C%', '%3']) AS b, name NOT ILIKE ALL (ARRAY['x%']) AS c
FROM customers
WHERE id <= 13
ORDER BY id;
