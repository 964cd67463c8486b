-- A text column compared with a midnight: its spelling matters
SELECT day_text, count(*) AS n FROM orders
WHERE day_text BETWEEN '2025-06-01 00:00:00' AND '2025-06-10 00:00:00'
GROUP BY day_text ORDER BY day_text;
