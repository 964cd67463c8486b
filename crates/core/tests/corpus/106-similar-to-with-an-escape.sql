-- SIMILAR TO with an escape
SELECT id
FROM customers
WHERE name SIMILAR TO 'Customer (1|2)_' ESCAPE '!' OR name NOT SIMILAR TO '%[1-9]%'
ORDER BY id;
