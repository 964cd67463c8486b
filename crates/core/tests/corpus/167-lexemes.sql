-- Lexemes
SELECT setweight('a:1'::tsvector, 'A')::text AS a, tsvector_to_array('b a'::tsvector) AS b, array_to_tsvector(ARRAY['x'])::text AS c, length('a b'::tsvector) AS d, ts_delete('a b'::tsvector, 'a')::text AS e, 'a'::tsquery || 'b'::tsquery AS f
ORDER BY 1;
