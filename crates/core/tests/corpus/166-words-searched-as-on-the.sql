-- Words searched as on the web
SELECT websearch_to_tsquery('simple', '"open order" -closed')::text AS a, phraseto_tsquery('simple', 'late shipping')::text AS b, numnode('a & b'::tsquery) AS c, ts_headline('simple', 'Orders shipped late', 'ship'::tsquery) AS d, strip('a:1 b:2'::tsvector)::text AS e
ORDER BY 1;
