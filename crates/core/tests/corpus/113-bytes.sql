-- Bytes
SELECT id, decode('616263', 'hex') AS a, encode('abc'::bytea, 'escape') AS b, get_byte(name::bytea, 0) AS c, set_byte('abc'::bytea, 1, 65) AS d, length('\x0102'::bytea) AS e
FROM customers
WHERE id <= 2
ORDER BY id;
