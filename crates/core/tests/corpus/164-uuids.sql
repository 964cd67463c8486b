-- UUIDs
SELECT count(DISTINCT gen_random_uuid()) AS n, md5('a')::uuid AS fixed, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid::text AS text
FROM generate_series(1, 3)
ORDER BY n;
