-- Strings of bits
SELECT id, id::bit(8) AS a, id::bit(8) & B'00001111' AS b, id::bit(8) << 2 AS c, get_bit(id::bit(8), 7) AS d, set_bit(B'0000', 1, 1) AS e, (id::bit(8))::int AS f
FROM customers
WHERE id <= 6
ORDER BY id;
