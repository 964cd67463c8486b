-- Numbers as text and back
SELECT id, to_char(amount, 'FM999,990.00') AS a, to_char(id, 'RN') AS b, to_char(amount, '9.99EEEE') AS c, to_number('1,234.5', '9G999D9') AS d, to_char(interval '25 hours', 'HH24:MI') AS e
FROM orders
WHERE id <= 5
ORDER BY id;
