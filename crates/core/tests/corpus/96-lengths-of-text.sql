-- Lengths of text
SELECT id, length(name) AS a, char_length(name) AS b, character_length(name) AS c, octet_length(name) AS d, bit_length(name) AS e, ascii(name) AS f, chr(64 + id) AS g
FROM customers
WHERE id <= 8
ORDER BY id;
