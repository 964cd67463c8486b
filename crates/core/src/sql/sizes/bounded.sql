-- Statements that dashboards have: nothing of them is refused.

SELECT array_agg(name) @> ARRAY['a'] AS n FROM metrics

SELECT string_agg(name, ', ') LIKE '%x%' AS n FROM metrics

SELECT strpos(name || id, :claim_tenant) AS n FROM metrics

SELECT strpos(lower(a.name) || ' ' || upper(a.id::text), concat(b.name, ' ', b.id)) AS n FROM metrics a, metrics b

SELECT strpos(left(s, 100), left(s, 1000)) AS n FROM (SELECT string_agg(name, '') AS s FROM metrics) u

SELECT (array_agg(name ORDER BY id))[1] LIKE '%' || max(name) || '%' AS n FROM metrics

SELECT lpad(id::text, 8, '0') LIKE '%' || rpad(name, 20) AS n FROM metrics

SELECT repeat('#', 40) || replace(name, ' ', '&nbsp;') AS bar FROM metrics WHERE replace(replace(name, ',', ''), '.', '') LIKE '%' || replace(name, '_', '\_') || '%'

SELECT btrim(regexp_replace(lower(name), '\s+', ' ', 'g')) AS n FROM metrics WHERE translate(name, 'äöü', 'aou') = name

WITH RECURSIVE days(d) AS (SELECT :start_date::date UNION ALL SELECT d + 1 FROM days WHERE d < :end_date) SELECT d, count(m.id) AS n FROM days LEFT JOIN metrics m ON m.date = d GROUP BY d

WITH RECURSIVE tree AS (SELECT id, name, ARRAY[id] AS path FROM metrics UNION ALL SELECT m.id, m.name, t.path || m.id FROM metrics m JOIN tree t ON m.name = t.name WHERE NOT m.id = ANY (t.path)) SELECT array_length(path, 1) AS depth, name LIKE '%x%' AS x, path @> ARRAY[id] AS own FROM tree

SELECT jsonb_agg(jsonb_build_object('id', id, 'name', name)) -> 0 ->> 'name' AS n FROM metrics

SELECT jsonb_path_query(jsonb_agg(id), '$[*]') AS n FROM metrics

SELECT jsonb_agg(id) @> '["a"]' AS n, jsonb_agg(id) - 'a' AS m FROM metrics

SELECT unnest(array_agg(name)) LIKE '%' || 'a' || '%' AS n FROM metrics

SELECT e LIKE '%' || m.name || '%' AS n FROM metrics m, unnest(string_to_array(m.name, ',')) AS e

SELECT position(' ' IN name) AS n, split_part(name, '-', 2) AS p, substring(name FROM '\d+') AS d FROM metrics

SELECT ts_rank(to_tsvector('english', name), plainto_tsquery('english', 'a b')) AS r FROM metrics WHERE to_tsvector(name) @@ to_tsquery('a & b')

SELECT int4range(1, 10) && int4range(5, 20) AS n, name ~ 'a+' AS m, ARRAY[1, 2] && ARRAY[2, 3] AS o FROM metrics

SELECT count(DISTINCT name) - count(*) AS n, sum(length(string_agg(name, ''))) OVER () AS total FROM metrics GROUP BY date

SELECT string_agg(name, ',') LIKE max(name) || '%' AS n FROM metrics

SELECT (EXTRACT(YEAR FROM current_date) || '-' || EXTRACT(MONTH FROM current_date) || '-1')::date AS d

SELECT DATE(DATE_TRUNC('month', date))::timestamp AS d, NULLIF(TRIM(name), 'null')::timestamp AS p, COALESCE(details ->> 'deadline_at', 'infinity')::timestamptz AS i FROM metrics

SELECT jsonb_extract_path_text(details, 'created_at')::timestamptz AS a, (regexp_match(name, 'backup-(\d+)'))[1]::date AS b FROM metrics

SELECT concat(name, ' ', id, ' America/New_York')::timestamptz AS a, TO_CHAR(date, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')::timestamptz AS b FROM metrics

SELECT now() AT TIME ZONE (details ->> 'zone') AS a, now() AT TIME ZONE trim(upper(name)) AS b, now() AT TIME ZONE split_part(name, ',', 1) AS c FROM metrics

WITH y AS (SELECT jsonb_object_agg(name, n) AS y FROM metrics) SELECT (y ->> '2025')::numeric - (y ->> '2024')::numeric AS n FROM y

SELECT range_agg(daterange(a, b)) - range_agg(daterange(c, d)) AS free, range_agg(daterange(a, b)) && range_agg(daterange(c, d)) AS o FROM metrics

SELECT name FROM metrics GROUP BY name HAVING (array_agg(id))[1:1000] @> (SELECT (array_agg(id))[1:1000] FROM metrics)

SELECT count(*) AS n FROM (SELECT to_tsvector(string_agg(name, ' ')) AS document FROM metrics) d WHERE document @@ to_tsquery('Endangered & Species')

SELECT to_tsquery(string_agg(name || ':*', ' & ' ORDER BY id)) AS q FROM metrics

SELECT jsonb_pretty(jsonb_agg(id)) AS n, jsonb_pretty(jsonb_build_object('a', json_agg(name))::jsonb) AS m FROM metrics

SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(name, '\mst\M', 'Street', 'g'), '\mave\M', 'Avenue', 'g'), '\mblvd\M', 'Boulevard', 'g'), '\mrd\M', 'Road', 'g'), '\mln\M', 'Lane', 'g'), '\mdr\M', 'Drive', 'g'), '\mct\M', 'Court', 'g'), '\mpl\M', 'Place', 'g'), '\msq\M', 'Square', 'g'), '\mhwy\M', 'Highway', 'g'), '\mpkwy\M', 'Parkway', 'g'), '\mapt\M', 'Apartment', 'g') AS n FROM metrics

SELECT replace(replace(replace(replace(replace(name, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;') AS n FROM metrics

SELECT jsonb_path_query(jsonb_agg(details), '$[*].items[*].price') AS n, jsonb_path_query_array(jsonb_agg(details), '$[*] ? (@.price * @.qty > 10)') AS m FROM metrics

SELECT jsonb_pretty(jsonb_build_object('name', name, 'value', value, 'at', now())) LIKE '%a%' AS n FROM metrics

SELECT string_agg(name, '') LIKE '%' || id::text || '-' || kind::text || '%' AS n FROM metrics GROUP BY id, kind

SELECT jsonb_agg(name) - name AS n FROM metrics GROUP BY name

SELECT (array_agg(name))[1] || (array_agg(name))[:3]::text AS n FROM metrics

WITH RECURSIVE bal AS (SELECT 1 AS n, 250000::numeric AS balance, 0::numeric AS interest UNION ALL SELECT n + 1, round(balance * (1 + 0.04/12) - 1500, 2), round(balance * 0.04/12, 2) FROM bal WHERE n < 360 AND balance > 0) SELECT n, balance, interest, balance - interest AS principal FROM bal

WITH RECURSIVE fx AS (SELECT 'EUR'::text AS cur, 1::numeric AS rate, ARRAY['EUR'] AS seen UNION ALL SELECT q.quote, fx.rate * q.rate, fx.seen || q.quote::text FROM fx JOIN quotes q ON q.base = fx.cur WHERE NOT q.quote = ANY(fx.seen)) SELECT cur, max(rate) - min(rate) AS spread FROM fx GROUP BY cur
