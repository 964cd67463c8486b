-- Words searched by a configuration
SELECT id, to_tsvector('english'::regconfig, name || ' was the running one')::text AS words
FROM customers
WHERE to_tsvector('english'::regconfig, name) @@ plainto_tsquery('pg_catalog.english'::regconfig, 'customers')
ORDER BY id
LIMIT 5;
