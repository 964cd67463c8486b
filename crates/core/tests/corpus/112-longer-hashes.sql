-- Longer hashes
SELECT id, encode(sha384(name::bytea), 'hex') AS a, left(encode(sha512(name::bytea), 'hex'), 16) AS b, hashtextextended(name, 1) AS c
FROM customers
WHERE id <= 3
ORDER BY id;
