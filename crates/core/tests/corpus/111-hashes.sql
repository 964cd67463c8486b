-- Hashes
SELECT id, md5(name) AS a, encode(sha256(name::bytea), 'hex') AS b, encode(sha224(convert_to(name, 'UTF8')), 'base64') AS c, hashtext(name) % 4 AS d
FROM customers
WHERE id <= 3
ORDER BY id;
