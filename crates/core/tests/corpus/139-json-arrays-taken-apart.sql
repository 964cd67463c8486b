-- JSON arrays taken apart
SELECT v.value, w.n
FROM jsonb_array_elements('[1, "a", null, [2]]') AS v, jsonb_array_elements_text('["x", "y"]') WITH ORDINALITY AS w (text, n)
ORDER BY v.value::text, w.n;
