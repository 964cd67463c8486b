-- Text taken apart
SELECT c.id, p.part, p.n
FROM customers c, unnest(string_to_array(c.name, ' ')) WITH ORDINALITY AS p (part, n)
WHERE c.id <= 6
ORDER BY c.id, p.n;
