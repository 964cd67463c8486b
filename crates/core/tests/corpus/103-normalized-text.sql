-- Normalized text
SELECT id, normalize(name, NFC) AS a, name IS NFC NORMALIZED AS b, is_normalized(name) AS c, convert_from(convert_to(name, 'UTF8'), 'UTF8') AS d
FROM customers
WHERE id <= 3
ORDER BY id;
