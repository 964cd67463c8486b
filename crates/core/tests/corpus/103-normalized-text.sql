-- Normalized text
SELECT id, normalize(name, NFC) AS a, name IS NFC NORMALIZED AS b, is_normalized(name) AS c, to_ascii(convert_from(convert_to(name, 'LATIN1'), 'LATIN1'), 'LATIN1') AS d
FROM customers
WHERE id <= 3
ORDER BY id;
