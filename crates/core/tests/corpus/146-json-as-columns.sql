-- JSON as columns
SELECT r.a, r.b, s.n
FROM jsonb_to_record('{"a": 1, "b": "x"}') AS r (a int, b text), jsonb_to_recordset('[{"n": 1}, {"n": 2}]') AS s (n int)
ORDER BY s.n;
