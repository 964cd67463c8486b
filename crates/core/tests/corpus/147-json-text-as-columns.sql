-- JSON text as columns
SELECT r.d, r.t
FROM json_to_recordset('[{"d": "2025-01-01", "t": ["a"]}]') AS r (d date, t text[])
ORDER BY r.d;
