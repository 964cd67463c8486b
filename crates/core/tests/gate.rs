//! What the gate refuses and what it lets through, over the corpora beside this file.

mod oracle;

use metricd_core::sql::{Draft, Gate, GateExtension, TableName};

/// A block of the hostile corpus.
struct Hostile<'a> {
    words: &'a str,
    is_for_reader: bool,
    sql: &'a str,
}

fn hostile() -> Vec<Hostile<'static>> {
    let blocks = include_str!("hostile.sql").split("\n\n").skip(1).filter(|b| !b.trim().is_empty());
    blocks
        .map(|block| {
            let (head, sql) = block.trim().split_once('\n').unwrap();
            let words = head.strip_prefix("-- ").unwrap();
            Hostile {
                words: words.trim_end_matches(" [reader]"),
                is_for_reader: words.ends_with(" [reader]"),
                sql,
            }
        })
        .collect()
}

fn error(sql: &str, gate: &Gate) -> String {
    match Draft::parse(sql, gate) {
        Ok(draft) => format!("accepted: {}", draft.sql()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn hostile_statements_are_refused_with_their_place() {
    let hostile = hostile();
    let wrong: Vec<_> = hostile
        .iter()
        .filter_map(|Hostile { words, sql, .. }| {
            let error = error(sql, &Gate::default());
            let fits = error.starts_with("line ") && error.contains(words);
            (!fits).then(|| format!("{sql}\n  expected: {words}\n  {error}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), hostile.len(), wrong.join("\n"));
    assert!(hostile.len() >= 400, "{}", hostile.len());
    let for_reader = hostile.iter().filter(|statement| statement.is_for_reader).count();
    assert!(for_reader >= 40, "{for_reader}");
}

#[test]
fn no_statement_of_either_corpus_breaks_the_oracle() {
    for statement in hostile() {
        assert!(!oracle::accepts(statement.sql.as_bytes()), "{}", statement.sql);
    }
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/gate");
    let mut accepted = 0;
    for file in std::fs::read_dir(seeds).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        accepted += usize::from(oracle::accepts(&bytes));
        // And of every beginning and of some damage to it.
        for end in (0..bytes.len()).step_by(bytes.len() / 8 + 1) {
            oracle::accepts(&bytes[..end]);
        }
    }
    assert!(accepted >= 10, "{accepted} of the seeds are accepted");
}

#[test]
fn an_operator_can_add_names() {
    let extension = GateExtension {
        tables: vec!["sales.orders".into(), "crm.*".into(), "\"Odd Schema\".\"T.1\"".into()],
        functions: vec!["similarity".into(), "app.score".into(), "public.Rate".into()],
        types: vec!["order_status".into(), "app.money".into()],
        ..GateExtension::default()
    };
    let gate = Gate::extended(&extension).unwrap();
    for sql in [
        "SELECT similarity('a', 'b') AS a",
        "SELECT public.similarity('a', 'b') AS a",
        "SELECT app.score(1) AS a, rate(2) AS b, public.rate(2) AS c",
        "SELECT 'paid'::order_status AS a, 'paid'::public.order_status AS b",
        "SELECT '(1,EUR)'::app.money AS a, ('(1,EUR)'::app.money).currency AS b",
        "SELECT '{paid}'::order_status[] AS a, enum_range(NULL::order_status) AS b",
        "SELECT (app.score(1)).total AS a",
        "SELECT order_status('paid') AS a",
    ] {
        let template = Draft::parse(sql, &gate).unwrap_or_else(|e| panic!("{e}: {sql}"));
        gate.recheck(&template.assume().unwrap()).unwrap();
        assert!(error(sql, &Gate::default()).contains("in the settings") || sql.contains(")."));
    }
    for sql in [
        "SELECT other.similarity('a', 'b') AS a",
        "SELECT score(1) AS a",
        "SELECT app.similarity(1) AS a",
        "SELECT 'x'::other.order_status AS a",
        "SELECT 'x'::money2 AS a",
    ] {
        assert!(error(sql, &gate).contains("in the settings"), "{sql}");
    }

    let table = |schema: Option<&str>, name: &str| TableName {
        schema: schema.map(str::to_owned),
        name: name.into(),
    };
    let allowed = [
        table(None, "orders"),
        table(Some("public"), "orders"),
        table(Some("sales"), "orders"),
        table(Some("crm"), "anything"),
        table(Some("Odd Schema"), "T.1"),
    ];
    let refused = [
        table(Some("sales"), "customers"),
        table(Some("Sales"), "orders"),
        table(Some("other"), "orders"),
    ];
    assert!(allowed.iter().all(|table| gate.allows_table(table)));
    assert!(refused.iter().all(|table| !gate.allows_table(table)));
    assert!(!Gate::default().allows_table(&allowed[2]));
}

#[test]
fn every_invalid_entry_is_reported() {
    let extension = GateExtension {
        tables: [
            "orders",
            "pg_catalog.pg_class",
            "metricd.*",
            "a.b.c",
            "*.*",
            "a.",
            "information_schema.x",
        ]
        .map(str::to_owned)
        .to_vec(),
        functions: [
            "pg_sleep",
            "public.dblink_exec",
            "lower; DROP",
            "",
            "pg_catalog.lower",
            "PG_SLEEP",
            "\"\"",
        ]
        .map(str::to_owned)
        .to_vec(),
        types: ["regclass", "app.regclass", "int4[]", "information_schema.sql_identifier", "xml"]
            .map(str::to_owned)
            .to_vec(),
        ..GateExtension::default()
    };
    let faults = Gate::extended(&extension).unwrap_err();
    assert_eq!(
        faults,
        [
            "sql.tables: \"orders\" is not the name of a table; write schema.table or schema.*",
            "sql.tables: \"pg_catalog.pg_class\" can never be allowed: pg_catalog is a system schema",
            "sql.tables: \"metricd.*\" can never be allowed: metricd is a system schema",
            "sql.tables: \"a.b.c\" is not the name of a table; write schema.table or schema.*",
            "sql.tables: \"*.*\" is not the name of a table; write schema.table or schema.*",
            "sql.tables: \"a.\" is not the name of a table; write schema.table or schema.*",
            "sql.tables: \"information_schema.x\" can never be allowed: information_schema is a system schema",
            "sql.functions: \"pg_sleep\" can never be allowed: it is internal to PostgreSQL",
            "sql.functions: \"public.dblink_exec\" can never be allowed: it runs SQL of its own",
            "sql.functions: \"lower; DROP\" is not a name; write name or schema.name",
            "sql.functions: \"\" is not a name; write name or schema.name",
            "sql.functions: \"pg_catalog.lower\" can never be allowed: pg_catalog is a system schema",
            "sql.functions: \"PG_SLEEP\" can never be allowed: it is internal to PostgreSQL",
            "sql.functions: \"\\\"\\\"\" is not a name; write name or schema.name",
            "sql.types: \"regclass\" can never be allowed: it names an object of PostgreSQL's catalogs",
            "sql.types: \"app.regclass\" can never be allowed: it names an object of PostgreSQL's catalogs",
            "sql.types: \"int4[]\" is not a name; write name or schema.name",
            "sql.types: \"information_schema.sql_identifier\" can never be allowed: information_schema is a system schema",
            "sql.types: \"xml\" can never be allowed: its size has no bound",
        ]
    );
}

#[test]
fn what_was_added_once_is_checked_again() {
    let functions = vec!["similarity".to_owned()];
    let gate = Gate::extended(&GateExtension { functions, ..GateExtension::default() }).unwrap();
    let sql =
        "SELECT 1 AS a,\n  similarity('a', :timezone) AS b FROM orders WHERE d >= CURRENT_DATE - 7";
    let template = Draft::parse(sql, &gate).unwrap().assume().unwrap();
    gate.recheck(&template).unwrap();
    let error = Gate::default().recheck(&template).unwrap_err();
    assert_eq!((error.line, error.column), (1, 16), "{}", template.sql);
    assert!(error.message.contains("similarity()"), "{error}");

    for sql in
        ["SELECT pg_sleep(1)", "DROP TABLE t", "SELECT 1; SELECT 2", "SELECT $9", "SELECT $0", ""]
    {
        let stored = metricd_core::sql::Template { sql: sql.into(), ..template.clone() };
        assert!(gate.recheck(&stored).is_err(), "{sql}");
    }
}

#[test]
fn what_the_parser_itself_writes_is_allowed() {
    for expression in [
        "INTERVAL '1' DAY",
        "d AT TIME ZONE 'UTC'",
        "extract(epoch FROM d)",
        "trim(a)",
        "trim(LEADING 'x' FROM a)",
        "trim(TRAILING FROM a)",
        "a LIKE 'x!_' ESCAPE '!'",
        "a NOT ILIKE 'x!_' ESCAPE '!'",
        "a SIMILAR TO 'x' ESCAPE '!'",
        "overlay(a PLACING 'b' FROM 1 FOR 2)",
        "position('a' IN a)",
        "substring(a FROM 1 FOR 2)",
        "substring(a SIMILAR 'x' ESCAPE '!')",
        "normalize(a, NFC)",
        "a IS NFD NORMALIZED",
        "(a, b) OVERLAPS (c, d)",
        "a::decimal(10, 2)",
        "CAST(a AS double precision)",
        "a::boolean",
        "a::character varying(3)",
        "a::char(3)",
        "a::timestamp(3) with time zone",
        "a::time without time zone",
        "a::bigint[]",
        "int '3'",
        "date 'today'",
        "pg_catalog.lower(a)",
        "a OPERATOR(pg_catalog.+) b",
        "a::pg_catalog.int4",
        "text(a)",
        "nullif(a, b)",
        "a COLLATE pg_catalog.\"C\"",
        "-a",
        "a IN (1, 2)",
        "a = ANY (b)",
        "o.version",
        "o.\"user\"",
        "o.name",
        "o.region",
        "o.lo_revenue",
        "(o).total",
        "(o.items[1]).price",
        "(json_each(a)).value",
        "a[1:2]",
        "repeat('ab', 10000)",
        "lpad(a, 12, '0')",
        "format('%s of %10s %-5s %1$s %%', a, b)",
        "timestamptz(d, '10:00'::time)",
        "\"timestamp\"(d, '10:00'::time)",
        "to_tsvector('english'::regconfig, a)",
        "to_tsvector('pg_catalog.english'::regconfig, a) @@ plainto_tsquery('english'::regconfig, 'b')",
        "JSON_VALUE(a, '$.b' RETURNING int DEFAULT 0 ON EMPTY NULL ON ERROR)",
        "JSON_QUERY(a, '$.b' WITH WRAPPER)",
        "JSON_EXISTS(a, '$.b ? (@ > $x)' PASSING 1 AS x)",
        "JSON_SCALAR(a)",
        "JSON_SERIALIZE(a RETURNING text)",
        "JSON(a)",
        "o.pg_rating",
        "a::char(10)",
    ] {
        let sql = format!("SELECT {expression} AS x FROM o;");
        assert!(oracle::accepts(sql.as_bytes()), "{}", error(&sql, &Gate::default()));
    }
}

#[test]
fn json_tables_are_allowed() {
    for table in [
        "JSON_TABLE(o.a, '$[*]' COLUMNS (n FOR ORDINALITY, b int PATH '$.b' DEFAULT 0 ON EMPTY)) AS j",
        "LATERAL JSON_TABLE(o.a, '$[*]' AS root COLUMNS (b text, NESTED PATH '$.c[*]' COLUMNS (d int))) AS j",
        "JSON_TABLE(o.a, '$[*] ? (@.b > $x)' PASSING 1 AS x COLUMNS (b jsonb FORMAT JSON, c bool EXISTS) \
         ERROR ON ERROR) AS j (b, c)",
    ] {
        let sql = format!("SELECT j.* FROM orders o, {table}");
        assert!(oracle::accepts(sql.as_bytes()), "{}", error(&sql, &Gate::default()));
    }
}

#[test]
fn a_series_is_allowed_where_its_rows_are_few() {
    for series in [
        "1, 10000",
        "0, 23",
        "-5, 5",
        "10, 1, -1",
        "0.5, 3, 0.5",
        "1, 12 * 4 + 1",
        "0, :day_range",
        "0, :day_range - 1",
        "0, :end_date - :start_date",
        "0, (:end_date - :start_date) / 7|",
        "1::bigint, 3::bigint",
        ":start_date, :end_date, '1 day'",
        ":start_date::timestamp, :end_date::timestamp, interval '1 hour'",
        "CURRENT_DATE - 30, CURRENT_DATE, '1 day'",
        "CURRENT_DATE - :day_range, CURRENT_DATE, '1 week'",
        "now() - interval '1 day', now(), '1 hour'",
        "date_trunc('month', CURRENT_DATE) - interval '11 months', date_trunc('month', now()), '1 month'",
        "date_trunc('day', now() AT TIME ZONE :timezone), now() AT TIME ZONE 'UTC', '6 hours'",
        "DATE '2025-01-01', DATE '2025-12-31', INTERVAL '1' MONTH",
        "'2025-01-01'::timestamptz, 'today'::timestamptz, 2 * interval '1 day'",
        "make_date(2025, 1, 1), make_date(2025, 12, 31), make_interval(days => 1)",
        "greatest(:start_date, DATE '2025-01-01'), least(:end_date, CURRENT_DATE), '1 day'",
        "CURRENT_DATE, CURRENT_DATE - 30, '-1 day'",
        ":end_date::timestamp, :start_date::timestamp, '-1 days -02:00'",
        ":start_date, :end_date + 1, '1 mon 2 days 03:00:00'",
        "CURRENT_DATE - :day_range * interval '1 day', CURRENT_DATE, '1 day'",
        "to_date('2025-01-01', 'YYYY-MM-DD'), CURRENT_DATE, '1 day'",
        "now(), now() + interval '1 day', '1 hour', 'Europe/Berlin'",
        "(SELECT min(day) FROM orders), (SELECT max(day) FROM orders), interval '1 day'",
        "(SELECT min(day) FROM orders), CURRENT_DATE, '1 month'",
        "date_trunc('month', (SELECT min(day) FROM orders)), :end_date, '1 month'",
        "1, (SELECT max(id) FROM orders)",
        "(SELECT max(id) FROM orders), 1, -1",
        "(SELECT min(day) FROM orders), (SELECT max(day) FROM orders), (SELECT interval '1 day')|",
    ] {
        let expected = !series.ends_with('|');
        let sql = format!("SELECT n FROM generate_series({}) AS n", series.trim_end_matches('|'));
        let accepted = oracle::accepts(sql.as_bytes());
        assert_eq!(accepted, expected, "{}", error(&sql, &Gate::default()));
    }
}

#[test]
fn long_statements_are_allowed() {
    for sql in [
        format!("SELECT a{} AS b FROM o", " || ',' || coalesce(c::text, '')".repeat(340)),
        format!("SELECT 1 AS a FROM o WHERE a IN ({}1)", "1234567890, ".repeat(10_000)),
        format!("SELECT '{}' AS a", "x".repeat(262_000)),
        format!("SELECT CASE {} END AS a FROM o", "WHEN a = 'xyz' THEN 'abc' ".repeat(1_500)),
        format!("SELECT 1 AS a{}", " UNION ALL SELECT a FROM o WHERE b > 1".repeat(300)),
    ] {
        let refused = || error(&sql, &Gate::default()).chars().take(200).collect::<String>();
        assert!(oracle::accepts(sql.as_bytes()), "{}", refused());
    }
}

#[test]
fn limits_are_named() {
    let gate = Gate::default();
    let deep = format!("SELECT {}1{} AS a", "(SELECT ".repeat(30), ")".repeat(30));
    assert!(error(&deep, &gate).contains("more than 45 levels"));
    assert!(
        error(&format!("SELECT a{} AS b", "+a".repeat(710)), &gate)
            .contains("700 operators in a row")
    );
    assert!(
        error(&format!("SELECT {}1", "1, ".repeat(50_000)), &gate)
            .contains("more than 100000 parts")
    );
    assert!(
        error(&format!("SELECT '{}'", "x".repeat(270_000)), &gate).contains("longer than 256 KiB")
    );
}
