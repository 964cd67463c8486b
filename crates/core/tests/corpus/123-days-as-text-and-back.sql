-- Days as text and back
SELECT id, to_char(ordered_at, 'YYYY-MM-DD HH24:MI') AS a, to_char(ordered_at, 'FMDay, DDth FMMonth IYYY-IW') AS b, to_date(day_text, 'YYYY-MM-DD') AS c, to_timestamp(day_text || ' 10', 'YYYY-MM-DD HH24')::timestamp AS d, to_timestamp(id) AS e
FROM orders
WHERE id <= 5
ORDER BY id;
