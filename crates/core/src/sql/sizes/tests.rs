use crate::sql::{Draft, Gate};

fn refusal(sql: &str) -> Option<String> {
    Draft::parse(sql, &Gate::default()).err().map(|error| error.to_string())
}

fn blocks(file: &'static str) -> Vec<&'static str> {
    let blocks = file.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks.filter(|block| block.lines().any(|line| !line.starts_with("--"))).collect()
}

#[test]
fn a_step_that_nothing_ends_is_refused() {
    let wrong: Vec<_> = blocks(include_str!("unending.sql"))
        .into_iter()
        .filter_map(|sql| match refusal(sql) {
            Some(error) if error.contains("that no time limit ends") => None,
            other => Some(format!("{sql}\n  {other:?}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_bounded_is_not_refused() {
    let wrong: Vec<_> = blocks(include_str!("bounded.sql"))
        .into_iter()
        .filter_map(|sql| refusal(sql).map(|error| format!("{sql}\n  {error}")))
        .collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_statement_that_grows_while_it_is_planned_is_refused() {
    let doubling = |levels: usize, how: &str, from: &str| {
        let mut ctes = vec!["c0 AS (SELECT 1 AS x FROM metrics)".to_owned()];
        ctes.extend((1..=levels).map(|level| {
            let from = from.replace("PREVIOUS", &format!("c{}", level - 1));
            format!("c{level} AS {how} ({from})")
        }));
        format!("WITH {} SELECT x FROM c{levels}", ctes.join(", "))
    };
    let tables = "SELECT a.x FROM PREVIOUS a, PREVIOUS b";
    for (levels, how, is_refused) in [
        (9, "NOT MATERIALIZED", false),
        (10, "NOT MATERIALIZED", true),
        (19, "NOT MATERIALIZED", true),
        (19, "MATERIALIZED", false),
        (19, "", false),
    ] {
        let error = refusal(&doubling(levels, how, tables));
        let is_told = error.as_ref().is_some_and(|error| error.contains("more than 1000 tables"));
        assert_eq!(
            (error.is_some(), is_told),
            (is_refused, is_refused),
            "{levels} {how}: {error:?}"
        );
    }
    let expression = "SELECT x || x AS x FROM PREVIOUS";
    for (levels, how, is_refused) in [(12, "", false), (18, "", true), (18, "MATERIALIZED", false)]
    {
        let error = refusal(&doubling(levels, how, expression));
        let is_told = error.as_ref().is_some_and(|error| error.contains("more than 50000 parts"));
        assert_eq!(
            (error.is_some(), is_told),
            (is_refused, is_refused),
            "{levels} {how}: {error:?}"
        );
    }
    let nested = (0..18).fold("SELECT 'a' AS x".to_owned(), |inner, level| {
        format!("SELECT x || x AS x FROM ({inner}) AS t{level}")
    });
    assert!(refusal(&nested).is_some_and(|error| error.contains("more than 50000 parts")));
}

#[test]
fn a_zone_is_not_made_up() {
    for zone in [
        "'A' || m.id",
        "concat('Foo', m.id, '+1')",
        "replace(m.name, 'a', 'b1')",
        "format('Foo%s', m.id)",
        "CASE WHEN true THEN 'A' || m.id END",
        "coalesce(m.name, 'A' || m.id)",
        "(ARRAY['A' || m.id])[1]",
        "(SELECT 'A' || m.id)",
        "u.z",
        "max(m.name || 'x') OVER ()",
        "(jsonb_build_object('z', 'A' || m.id) ->> 'z')",
        "(interval '1 second' * m.n)::text",
        "(time '00:00' + m.n * interval '1 second')::text",
        "(-m.n)::text",
        "(m.n + 1)::text::name::text",
        "g.g::text",
    ] {
        let from = "FROM metrics m, (SELECT 'Foo' || g || '+1' AS z FROM generate_series(1, 1000) g) u, \
                    generate_series(1, 1000) g";
        for sql in [
            format!("SELECT now() AT TIME ZONE ({zone}) AS n {from}"),
            format!("SELECT timezone({zone}, now()) AS n {from}"),
            format!("SELECT date_trunc('day', now(), {zone}) AS n {from}"),
            format!("SELECT make_timestamptz(2025, 1, 1, 0, 0, 0, {zone}) AS n {from}"),
        ] {
            let error = refusal(&sql);
            assert!(
                error.as_ref().is_some_and(|e| e.contains("time zone is made")),
                "{sql}: {error:?}"
            );
        }
    }
    for zone in [
        "'Asia/Tokyo'",
        "'Asia/Tokyo'::text",
        "m.name",
        ":timezone",
        ":claim_zone",
        "coalesce(m.name, :timezone, 'UTC')",
        "CASE m.id::text WHEN 'a' THEN 'UTC' ELSE m.name END",
        "INTERVAL '2 hours'",
        "(m.n * INTERVAL '1 hour')",
        "make_interval(hours => m.n)",
        "u.z",
        "v.z",
        "w.column1",
        "max(m.name) OVER ()",
    ] {
        let sql = format!(
            "SELECT now() AT TIME ZONE ({zone}) AS n FROM metrics m, (SELECT DISTINCT name AS z FROM metrics) u, \
             unnest(ARRAY['UTC', 'Asia/Tokyo']) AS v(z), (VALUES ('UTC')) w"
        );
        assert_eq!(refusal(&sql), None, "{sql}");
    }
}

#[test]
fn the_server_is_not_told_of() {
    for (sql, words) in [
        ("SELECT CASE WHEN false THEN pg_typeof(1) ELSE 16385 END AS n", "pg_typeof(…)::text"),
        (
            "SELECT coalesce(nullif(pg_typeof(1), pg_typeof(1)), 16385)::text AS n",
            "pg_typeof(…)::text",
        ),
        ("SELECT pg_typeof(1) AS n", "pg_typeof(…)::text"),
        ("SELECT ARRAY[pg_typeof(1), 1259]::text AS n", "pg_typeof(…)::text"),
        ("SELECT pg_typeof(pg_typeof(1))::text AS n", "pg_typeof(…)::text"),
        ("SELECT tableoid AS n FROM metrics", "tableoid is a column of PostgreSQL's own"),
        ("SELECT m.xmin::text AS n FROM metrics m", "xmin is a column of PostgreSQL's own"),
        ("SELECT (m).ctid AS n FROM metrics m", "ctid is a column of PostgreSQL's own"),
        ("SELECT 1 AS n FROM metrics ORDER BY cmax", "cmax is a column of PostgreSQL's own"),
        ("SELECT query AS n FROM public.pg_stat_statements", "tells of the server"),
        ("SELECT 1 AS n FROM monitoring.pg_buffercache", "tells of the server"),
        ("SELECT 1 AS n FROM hypopg_list_indexes", "tells of the server"),
        ("SELECT polygon(60000000, '<(0,0),1>'::circle) AS n", "number of points"),
        (
            "SELECT npoints(polygon(m.n, '<(0,0),1>'::circle)) AS n FROM metrics m",
            "number of points",
        ),
    ] {
        let error = refusal(sql);
        assert!(error.as_ref().is_some_and(|error| error.contains(words)), "{sql}: {error:?}");
    }
    for sql in [
        "SELECT pg_typeof(m.n)::text AS n FROM metrics m",
        "SELECT polygon(12, '<(0,0),1>'::circle) AS n",
        "SELECT m.pg_rating AS n FROM movies m",
        "SELECT 1 AS xmin",
    ] {
        assert_eq!(refusal(sql), None, "{sql}");
    }
}

#[test]
fn a_single_row_is_not_made_huge() {
    let siblings = vec!["repeat('0123456789012345678901234567890123456789', 10000)"; 40].join(", ");
    let siblings = format!("concat({siblings})");
    for value in [
        siblings.as_str(),
        "replace(repeat('a', 10000), 'a', repeat('b', 10000))",
        "regexp_replace(repeat('a', 10000), 'a', repeat('b', 10000), 'g')",
        "array_to_string(string_to_array(repeat('a,', 10000), ','), repeat('b', 10000))",
        "repeat(1e131071::text, 1000)",
        "repeat('1e131071'::numeric::text, 1000)",
    ] {
        let error = refusal(&format!("SELECT length({value}) AS n FROM metrics"));
        assert!(error.as_ref().is_some_and(|e| e.contains("ten megabytes")), "{value}: {error:?}");
    }
    let nested = (0..14).fold("name".to_owned(), |value, _| format!("replace({value}, 'a', name)"));
    let doubled =
        (0..24).fold("name".to_owned(), |value, _| format!("replace({value}, 'a', 'aa')"));
    let error = refusal(&format!("SELECT length({doubled}) AS n FROM metrics"));
    assert!(error.as_ref().is_some_and(|e| e.contains("ten megabytes")), "{error:?}");
    let error = refusal(&format!("SELECT length({nested}) AS n FROM metrics"));
    assert!(error.as_ref().is_some_and(|e| e.contains("ten megabytes")), "{error:?}");
    assert_eq!(refusal("SELECT repeat('#', 100) || rpad(name, 200) AS n FROM metrics"), None);
}

#[test]
fn a_text_that_becomes_a_time_names_no_made_up_zone() {
    let from = "FROM generate_series(1, 1000) g, metrics m";
    for text in [
        "'2025-01-01 00:00 Foo' || g",
        "'2025-01-01 00:00 Foo' || g || ''",
        "concat('2025-01-01 Foo', g)",
        "format('2025-01-01 Foo%s', g)",
        "to_char(g, '\"2025-01-01 Foo\"9')",
        "lower('2025-01-01 FOO') || g || '+1'",
        "replace('2025-01-01 x', 'x', 'Foo' || g)",
        "u.t",
        "'2025-01-01 <' || g || '>1'",
        "'2020-01-01 00:00 mon/' || (interval '1 second' * g)::text",
        "'2020-01-01 00:00 mon-' || g",
        "'2020-01-01 00:00 ' || to_hex(g) || '5'",
        "mode() WITHIN GROUP (ORDER BY '2020-01-01 00:00 Foo' || g)",
        "'2020-01-01 00:00 T.' || g",
        "'2020-01-01 00:00 x' || g",
        "'2020-01-01 00:00 inf' || g",
        "format('2025-01-01%%x%s', g)",
        "format('2025-01-01Z%s', g)",
        "to_char(g, '\"2025-01-01 Z\"9')",
    ] {
        for ty in ["timestamptz", "timestamp", "date"] {
            let sql = format!(
                "SELECT ({text})::{ty} AS n {from}, (SELECT '2025-01-01 Foo' || m.id AS t FROM metrics m) u"
            );
            let error = refusal(&sql);
            assert!(
                error.as_ref().is_some_and(|e| e.contains("becomes a time")),
                "{sql}: {error:?}"
            );
        }
    }
    for text in [
        "m.day || ' ' || m.hour",
        "m.day || ' 00:00:00 Europe/Berlin'",
        "m.day || 'T00:00:00Z'",
        "m.details ->> 'created_at'",
        "to_char(now(), 'YYYY-MM-DD HH24:MI:SS')",
        "replace(m.day, ' UTC', '')",
        "split_part(m.day, 'GMT', 1)",
        "'01 January ' || m.year",
        "m.year || '-' || lpad(m.month::text, 2, '0') || '-01'",
        "coalesce(m.day, 'yesterday')",
        "coalesce(m.day, 'infinity') || ''",
        "m.day || 'T' || m.hour || ':00 AM'",
        "'01-Jan-' || m.year",
        "m.weekday || ' Monday ' || m.year",
        "to_char(now(), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
        "format('%s-%1$02s-01T%L:00Z', m.day, m.hour)",
        "regexp_replace(m.day, '(....)(..)', '\\1-\\2', 'g')",
    ] {
        let sql = format!("SELECT ({text})::timestamptz AS n {from}");
        assert_eq!(refusal(&sql), None, "{sql}");
    }
}

#[test]
fn a_value_that_is_read_as_a_time_names_no_made_up_zone() {
    let document = "json_build_object('t', '2025-01-01 Foo' || g)";
    for from in [
        format!("json_to_record({document}) AS r(t timestamptz)"),
        format!("ROWS FROM (json_to_record({document}) AS (t timestamptz), lower('a')) AS r"),
        format!("JSON_TABLE({document}::jsonb, '$' COLUMNS (t timestamptz PATH '$.t')) r"),
        format!("(SELECT JSON_VALUE({document}::jsonb, '$.t' RETURNING timestamptz) AS t) r"),
    ] {
        let error = refusal(&format!("SELECT t AS n FROM generate_series(1, 9) g, {from}"));
        assert!(error.as_ref().is_some_and(|e| e.contains("becomes a time")), "{from}: {error:?}");
    }
    let dotted =
        "SELECT u.timestamptz AS n FROM generate_series(1, 9) g, concat('2020-01-01 Foo', g) AS u";
    assert!(refusal(dotted).is_some_and(|error| error.contains("becomes a time")));
    let named = "SELECT s.date AS n FROM (SELECT 'Week ' || n AS date FROM metrics) s";
    assert_eq!(refusal(named), None);
    for from in [
        "json_to_record(m.details) AS r(t timestamptz)",
        "json_to_recordset(m.details -> 'orders') AS r(t timestamptz, n int)",
        "JSON_TABLE(m.details, '$.orders[*]' COLUMNS (t timestamptz PATH '$.created_at')) r",
    ] {
        assert_eq!(refusal(&format!("SELECT t AS n FROM metrics m, {from}")), None, "{from}");
    }
}

#[test]
fn a_text_that_grows_with_each_step_is_not_made_huge() {
    for step in [
        "ROW(@)::text",
        "(ARRAY[@])::text",
        "format('%L', @)",
        "format('%1$s%1$s', @)",
        "array_to_string(string_to_array(@, NULL), 'a')",
        "array_to_string(string_to_array(@, NULL, 'a'), '', 'aa')",
    ] {
        let grown = |times: usize| {
            let steps = (1..=times).map(|n| {
                let step = step.replace('@', "s");
                format!("k{n} AS MATERIALIZED (SELECT {step} AS s FROM k{})", n - 1)
            });
            let steps = steps.collect::<Vec<_>>().join(", ");
            format!(
                "WITH k0 AS (SELECT name AS s FROM metrics), {steps} SELECT length(s) AS n FROM k{times}"
            )
        };
        assert_eq!(refusal(&grown(2)), None, "{step}");
        let error = refusal(&grown(24));
        assert!(error.as_ref().is_some_and(|e| e.contains("ten megabytes")), "{step}: {error:?}");
    }
    let brackets = format!("'{}{}'::jsonb", "[".repeat(999), "]".repeat(999));
    let error = refusal(&format!("SELECT jsonb_path_query_array({brackets}, '$.**.**') AS n"));
    assert!(error.as_ref().is_some_and(|e| e.contains("ten megabytes")), "{error:?}");
}

#[test]
fn a_text_is_not_nested_deep() {
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    for sql in [
        "SELECT length((repeat('[',10000)||repeat(']',10000))::jsonb::text) AS n".to_owned(),
        "SELECT ('a' ~ repeat('(', 2000)) AS n".to_owned(),
        "SELECT regexp_replace(name, repeat('(', 2000), '') AS n FROM metrics".to_owned(),
        format!("SELECT '{deep}'::jsonb AS n"),
        format!("SELECT name ~ '{deep}' AS n FROM metrics"),
    ] {
        let error = refusal(&sql);
        assert!(error.as_ref().is_some_and(|error| error.contains("nested too deep")), "{error:?}");
    }
    for sql in [
        "SELECT ('[' || string_agg(to_json(name)::text, ',') || ']')::jsonb AS n FROM metrics",
        "SELECT name ~ ('^' || repeat('a', 10) || '(b(c(d)))') AS n FROM metrics",
        "SELECT '[[1, 2], {\"a\": [3]}]'::jsonb AS n",
    ] {
        assert_eq!(refusal(sql), None, "{sql}");
    }
}

#[test]
fn steps_of_one_row_add_up_to_little() {
    let (a, b) = ("a".repeat(9_990), "b".repeat(9_990));
    let translated = |times: usize| {
        let calls = (0..times).map(|n| format!("length(translate('{a}', '{b}', '{n}'))"));
        format!("SELECT {} AS n", calls.collect::<Vec<_>>().join(" + "))
    };
    assert_eq!(refusal(&translated(1)), None);
    let powers = (0..30).map(|n| format!("length((1.5::numeric ^ {})::text)", 700_000 - n));
    let powers = format!("SELECT {} AS n", powers.collect::<Vec<_>>().join(" + "));
    assert_eq!(refusal("SELECT sum((1 + rate) ^ n) * power(1.1, 12) AS n FROM metrics"), None);
    let long = "SELECT 9.5::numeric ^ 100000 AS x, 7.5::numeric ^ 50000 AS y";
    let digits = |step: &str| {
        let steps = (0..30).map(|n| step.replace('_', &n.to_string()));
        format!("SELECT {} AS n FROM ({long}) u", steps.collect::<Vec<_>>().join(" + "))
    };
    let usual = "SELECT (power(a / b, 1.0 / 3) - 1) * 100 AS n, a ^ 3 / b ^ 2 AS m, sqrt(power(a, 2) + power(b, 2)) AS k, \
         sum(a * b) / nullif(sum(b), 0) * 100.0 AS l, exp(sum(ln(a))) / exp(avg(b)) AS j FROM metrics GROUP BY a, b";
    assert_eq!(refusal(usual), None);
    for sql in [
        translated(6),
        powers,
        digits("mod(x + _, y)"),
        digits("sqrt(x + _)"),
        digits("ln(x + _)"),
        digits("(x * (x + _)) % 7"),
        digits("((_ + 1{0})::numeric ^ 999) % 7").replace("{0}", &"0".repeat(120)),
    ] {
        let error = refusal(&sql);
        assert!(error.as_ref().is_some_and(|error| error.contains("for one row")), "{error:?}");
    }
    let chain = vec!["s"; 350].join(" || ");
    let error = refusal(&format!("SELECT length({chain}) AS n FROM (SELECT '{a}'::text AS s) u"));
    assert!(error.as_ref().is_some_and(|error| error.contains("memory")), "{error:?}");
    let numbers = vec!["1e131071"; 1_200].join(",");
    let error = refusal(&format!("SELECT length('[{numbers}]'::jsonb::text) AS n"));
    assert!(error.as_ref().is_some_and(|error| error.contains("ten megabytes")), "{error:?}");
}

#[test]
fn columns_do_not_double() {
    let doubled = (1..=30).map(|n| format!("k{n} AS (SELECT *, * FROM k{})", n - 1));
    let ctes = doubled.collect::<Vec<_>>().join(", ");
    let error = refusal(&format!("WITH k0 AS (SELECT 1 AS a), {ctes} SELECT 1 AS n FROM k30"));
    assert!(error.as_ref().is_some_and(|error| error.contains("1664 columns")), "{error:?}");
}
