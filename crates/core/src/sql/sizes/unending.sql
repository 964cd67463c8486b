-- Statements that a step of PostgreSQL takes hours for, or memory without a bound.

WITH d AS MATERIALIZED (SELECT replace(repeat('a',5000),'a',repeat('a',100)) s) SELECT strpos(s, 'b'||left(s,250000)) AS n FROM d

SELECT position('b' || t.s IN t.s || 'c') AS n FROM (SELECT repeat('a', 10000) AS s) t

SELECT position(t.s IN t.s) AS n FROM (SELECT string_agg(name, '')::bytea AS s FROM metrics) t

SELECT jsonb_agg(a.id) @> jsonb_agg(a.name) AS n FROM metrics a

WITH a AS (SELECT jsonb_agg(g) j FROM generate_series(1, 1000) g) SELECT x.j @> y.j AS n FROM a x, a y

SELECT array_agg(a.id) && array_agg(a.name) AS n FROM metrics a

SELECT ARRAY(SELECT id FROM metrics) && ARRAY(SELECT id FROM metrics) AS n

SELECT ARRAY(SELECT id FROM metrics) <@ (SELECT array_agg(id) FROM metrics) AS n

SELECT translate(string_agg(name, ''), string_agg(name, 'x'), 'b') AS n FROM metrics

SELECT (SELECT string_agg(point(g, g)::text, ',') FROM generate_series(1, 1000) g)::path <-> (SELECT string_agg(point(g, g)::text, ',') FROM generate_series(1, 1000) g)::path AS n

SELECT normalize(string_agg(name, ''), NFC) AS n FROM metrics

SELECT string_agg(name, '') LIKE '%' || string_agg(name, '_') || '%' AS n FROM metrics

SELECT string_agg(name, '') NOT ILIKE string_agg(name, '%') AS n FROM metrics

SELECT string_agg(name, '') LIKE ANY (array_agg(name)) AS n FROM metrics

SELECT btrim(string_agg(name, ''), string_agg(name, ',')) AS n FROM metrics

SELECT TRIM(BOTH string_agg(name, ',') FROM string_agg(name, '')) AS n FROM metrics

WITH p AS (SELECT string_agg(point(g, g)::text, ',')::polygon AS p FROM generate_series(1, 1000) g) SELECT a.p && b.p AS n FROM p a, p b

SELECT polygon(10000, '<(0,0),1>'::circle) && polygon(10000, '<(0,0),1>'::circle) AS n

WITH a AS (SELECT jsonb_agg(g) AS j FROM generate_series(1, 1000) g) SELECT jsonb_path_exists(j, '$[*] ? (@ == $[*])') AS n FROM a

WITH a AS (SELECT jsonb_agg(g) AS j FROM generate_series(1, 1000) g) SELECT j @? '$[*] ? (@ == $[*])' AS n FROM a

WITH a AS (SELECT jsonb_agg(g) AS j FROM generate_series(1, 1000) g) SELECT jsonb_path_query(x.j, '$[*] ? (@ == $v)', y.j) AS n FROM a x, a y

SELECT jsonb_agg(id) - array_agg(name) AS n FROM metrics

SELECT jsonb_agg(id) ?& array_agg(name) AS n FROM metrics

SELECT jsonb_object_agg(id, name) ?| (SELECT array_agg(name) FROM metrics) AS n FROM metrics

WITH RECURSIVE g(s) AS (SELECT 'a'::text UNION ALL SELECT s || s FROM g WHERE length(s) < 1000000) SELECT strpos(s, 'b' || s) AS n FROM g

WITH RECURSIVE g(s, n) AS (SELECT ARRAY[1], 1 UNION ALL SELECT s || n, n + 1 FROM g WHERE n < 100000) SELECT a.s @> b.s AS n FROM g a, g b

WITH RECURSIVE g(a, b) AS (SELECT 'a', 'b' UNION ALL SELECT b, a || b FROM g) SELECT strpos(a, b) AS n FROM g

WITH a AS MATERIALIZED (SELECT name || name || name || name AS s FROM metrics), b AS MATERIALIZED (SELECT s || s || s || s || s || s || s || s AS s FROM a), c AS MATERIALIZED (SELECT s || s || s || s || s || s || s || s AS s FROM b), d AS MATERIALIZED (SELECT s || s || s || s || s || s || s || s AS s FROM c) SELECT strpos(s, s || 'b') AS n FROM d

SELECT strpos(x, x) AS n FROM (SELECT regexp_replace(repeat('a', 1000), 'a', repeat('b', 1000), 'g') AS x) t

SELECT strpos(s, t) AS n FROM (SELECT array_to_string(array_agg(name), ',') AS s, string_agg(name, '') AS t FROM metrics) u

SELECT replace(string_agg(name, ''), string_agg(name, ','), 'b') AS n FROM metrics

SELECT split_part(string_agg(name, ''), string_agg(name, ','), 2) AS n FROM metrics

SELECT string_to_array(string_agg(name, ''), string_agg(name, ',')) AS n FROM metrics

SELECT e FROM (SELECT string_agg(name, '') AS s FROM metrics) u, string_to_table(u.s, u.s || 'b') AS e

SELECT max(strpos(s, s)) OVER () AS n FROM (SELECT rpad('a', 10000) AS s) u

SELECT 1 AS n FROM (SELECT lpad('a', 10000) AS s) u ORDER BY strpos(u.s, u.s)

SELECT count(*) FILTER (WHERE strpos(s, s) > 0) AS n FROM (SELECT lpad('a', 10000) AS s) u

SELECT CASE WHEN strpos(coalesce(s, 'a'), CASE WHEN true THEN s END) > 0 THEN 1 END AS n FROM (SELECT lpad('a', 10000) AS s) u

SELECT 1 AS n FROM (SELECT lpad('a', 10000) AS s) u JOIN (SELECT lpad('a', 10000) AS t) v ON u.s LIKE v.t

SELECT jsonb_pretty(string_agg(name, '')::jsonb) AS n FROM metrics

WITH RECURSIVE g(j) AS (SELECT '1'::jsonb UNION ALL SELECT jsonb_build_array(j) FROM g) SELECT jsonb_pretty(j) AS n FROM g

SELECT ts_rank_cd(to_tsvector(string_agg(name, ' ')), to_tsquery(string_agg(name, ' & '))) AS n FROM metrics

SELECT to_tsvector(string_agg(name, ' ')) @@ to_tsquery(string_agg(name, ' <-> ')) AS n FROM metrics

SELECT ts_headline(string_agg(name, ' '), to_tsquery(string_agg(name, ' & '))) AS n FROM metrics

SELECT JSON_EXISTS(jsonb_agg(id), '$[*] ? (@ == $[*])') AS n FROM metrics

SELECT u.n FROM (SELECT jsonb_agg(id) AS j FROM metrics) m, JSON_TABLE(m.j, '$[*] ? (@ == $[*])' COLUMNS (n int PATH '$')) u

SELECT pg_catalog.strpos(s, s) AS n FROM (SELECT pg_catalog.repeat('a', 10000) AS s) u

SELECT u.s @> u.s AS n FROM (SELECT row_to_json(m)::jsonb AS s FROM (SELECT jsonb_agg(id) AS j FROM metrics) m) u

SELECT strpos(u::text, u::text) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) u

SELECT strpos(b, b) AS n FROM (SELECT string_agg(name, '') FROM metrics) AS u(b)

SELECT strpos(x.s, x.s) AS n FROM metrics m, LATERAL (SELECT string_agg(name, '') AS s FROM metrics) x

SELECT strpos(s, s) AS n FROM (SELECT 'a' AS s UNION ALL SELECT string_agg(name, '') FROM metrics) u

SELECT strpos(column1, column1) AS n FROM (VALUES (repeat('a', 5000)), ('b')) v

SELECT strpos(e, e) AS n FROM metrics m, LATERAL repeat('a', 10000) AS e

SELECT strpos(first_value(s) OVER (), lag(s) OVER ()) AS n FROM (SELECT repeat('a', 10000) AS s) u

SELECT strpos(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(name))))))))))), quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(quote_literal(name)))))))))))) AS n FROM metrics

SELECT strpos(x, x) AS n FROM (SELECT f.* FROM repeat('a', 10000) AS f(x)) t

SELECT strpos(x, x) AS n FROM (SELECT * FROM repeat('a', 10000) AS x) t

SELECT (SELECT strpos(s, s) FROM metrics LIMIT 1) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) t

SELECT (SELECT strpos(s, s) FROM metrics s LIMIT 1) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) t

SELECT strpos(j.x, j.x) AS n FROM (SELECT repeat('a', 10000) AS x) a JOIN (SELECT repeat('a', 10000) AS x) b USING (x) AS j

SELECT (SELECT strpos(a.s, a.s) FROM (metrics a JOIN metrics b ON true) AS j LIMIT 1) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) a

WITH RECURSIVE g(a, b, c, d) AS (SELECT 'a', 'b', 'c', 'd' UNION ALL SELECT b, c, d, a || b FROM g) SELECT strpos(a, a) AS n FROM g

WITH RECURSIVE g AS (SELECT * FROM (SELECT 'a'::text AS s) x UNION ALL SELECT * FROM (WITH y AS (SELECT s || s AS s FROM g) SELECT * FROM y) z) SELECT strpos(s, s) AS n FROM g

SELECT strpos((SELECT * FROM repeat('a', 10000) AS x), (SELECT * FROM repeat('a', 10000) AS y)) AS n

SELECT strpos(s, s) AS n FROM (SELECT * FROM repeat('a', 10000) AS s UNION ALL SELECT * FROM repeat('b', 10000)) t(s)

SELECT strpos(s::bpchar, s::bpchar) AS n FROM (SELECT repeat('a', 10000) AS s) t

SELECT strpos((string_to_array(s, ','))[1], (string_to_array(s, ','))[1]) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) t

SELECT strpos(e, e) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) t, unnest(string_to_array(t.s, ',')) AS e

SELECT strpos((regexp_match(s, '.*'))[1], s) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) t

SELECT strpos((9.5 ^ 100000)::text, power(9.5, 100000)::text) AS n

SELECT strpos('1e131071'::numeric::text, round('1e131071'::numeric)::text) AS n

SELECT strpos(j ->> 0, j ->> 0) AS n FROM (SELECT '[1e131071]'::jsonb AS j) t

WITH RECURSIVE g(p) AS (SELECT '((0,0),(1,1))'::path UNION ALL SELECT p + p FROM g) SELECT a.p <-> b.p AS n FROM g a, g b

WITH RECURSIVE g AS (WITH x AS (SELECT 'aaaaa'::text s) SELECT * FROM x UNION ALL SELECT s || s FROM g) SELECT strpos(s, s) AS n FROM g

SELECT strpos((array_append(ARRAY['z'], string_agg(name, '')))[2], string_agg(name, '')) AS n FROM metrics

SELECT strpos((('{' || s || '}')::text[])[1], s) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) t

WITH d AS MATERIALIZED (SELECT left((10::numeric ^ 131000)::text, 25000) AS s) SELECT length(translate(s, replace(s, '0', '2'), '')) AS n FROM d

WITH d AS MATERIALIZED (SELECT right(('{"a":1e40000}'::jsonb ->> 'a'), -1) AS s) SELECT length(translate(s, replace(s, '0', '2') || '3', '')) AS n FROM d

SELECT a.p && b.p AS n FROM (SELECT percentile_disc((SELECT array_agg(0.5::float8) FROM metrics)) WITHIN GROUP (ORDER BY id) AS p FROM metrics) a, (SELECT percentile_cont((SELECT array_agg(0.5::float8) FROM metrics)) WITHIN GROUP (ORDER BY id) AS p FROM metrics) b

SELECT position(b || B'1' IN b || b) AS n FROM (SELECT bit_or(x) AS b FROM (SELECT string_agg(name, '')::varbit AS x FROM metrics) z) u

SELECT length(s.normalize) AS n FROM concat('a', (SELECT string_agg(name, '') FROM metrics)) AS s

SELECT (SELECT strpos(s, s) FROM (SELECT 1 AS z) s) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) u

WITH c(a, b, c1, d) AS (SELECT k.*, u.s FROM (SELECT string_agg(name, '') AS s FROM metrics) u, ROWS FROM (lower('a'), lower('b'), lower('c')) AS k(x, y, z)) SELECT strpos(d, d) AS n FROM c

SELECT strpos(s, s) AS n FROM (SELECT (u).* FROM (SELECT string_agg(name, '') AS s FROM metrics) u) z

SELECT (range_agg(int4range(n, n + 1))::text || string_agg(name, '')) LIKE '%' || string_agg(name, '') AS n FROM metrics

SELECT (SELECT x.n FROM (SELECT 1 AS s) a, (SELECT strpos(s, s) AS n) x) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) u

SELECT jsonb_path_exists(path => '$[*] ? (@ == $[*])', target => jsonb_agg(g)) AS n FROM generate_series(1, 1000) g

SELECT jsonb_path_exists(jsonb_agg(g), '$[*] ? (-@ == $[0 to last])') AS n FROM generate_series(1, 1000) g

SELECT strpos(string_agg(name, ''), 'baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') AS n FROM metrics

WITH RECURSIVE g(a, b) AS (SELECT 9.5::numeric, 9.5::numeric UNION ALL SELECT b, 9.5::numeric ^ 100000 FROM g) SELECT strpos(a::text, a::text) AS n FROM g

WITH RECURSIVE a AS (SELECT s FROM b), b AS (SELECT string_agg(name, '') AS s FROM metrics) SELECT strpos(s, s) AS n FROM a

SELECT length(translate(s, replace(s, '0', '2'), '')) AS n FROM (SELECT concat(1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990), 1::numeric(1000,990)) AS s) u

SELECT length(translate(s, replace(s, '0', '2'), '')) AS n FROM (SELECT concat(round(1.5, 9000), round(2.5, 9000)) AS s) u

SELECT strpos(s, s || 'b') AS n FROM (SELECT jsonb_pretty('[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]'::jsonb) AS s) u

SELECT strpos(s, s || 'b') AS n FROM (SELECT jsonb_path_query_array(path => '$.**', target => '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]'::jsonb)::text AS s) u

SELECT length(jsonb_pretty((translate(array_agg('['::text)::text, '{},', '') || translate(array_agg(']'::text)::text, '{},', ''))::jsonb)) AS n FROM metrics

SELECT numnode(websearch_to_tsquery('simple', '"' || string_agg(name, ' ') || '"')) AS n FROM metrics

SELECT jsonb_agg(name) - string_to_array(string_agg(name, ','), ',') AS n FROM metrics

SELECT (('[-9000:-9000]={1}'::int4[]) || array_agg(g))[:100] && (('[-9000:-9000]={2}'::int4[]) || array_agg(-g))[:100] AS n FROM generate_series(1, 1000) g

WITH RECURSIVE g(p) AS (SELECT '((0,0),(1,1))'::path UNION ALL SELECT p + p::path FROM g) SELECT a.p <-> b.p AS n FROM g a, g b

WITH RECURSIVE g(p) AS (SELECT '((0,0),(1,1))'::path UNION ALL SELECT p + '((0,0),(1,1))'::path FROM g) SELECT a.p <-> b.p AS n FROM g a, g b

WITH RECURSIVE g(s) AS (SELECT 99::numeric UNION ALL SELECT s * s::numeric FROM g) SELECT length(translate(s::text, s::text, '')) AS n FROM g

SELECT strpos(s::text, s::text || '1') AS n FROM (SELECT '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric * '1e5000'::numeric AS s) u

SELECT strpos(string_agg(t, ''), string_agg(t, '')) AS n FROM (SELECT jsonb_agg(g) AS j FROM generate_series(1, 9) g) m, JSON_TABLE(m.j, '$' COLUMNS (t text PATH '$[*] ? (-@ == $[*])')) u
