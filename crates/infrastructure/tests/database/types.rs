//! Every type that PostgreSQL has: a column of it is answered, a cast to it is answered or refused in words, and
//! what is exported of it loads back to the same rows.

use metricd_application::{
    compile::{CompileError, compile},
    ports::{QueryRunner, RunError},
    tables::{LoadMode, LoadReport, LoadTable, load_table},
};
use metricd_core::{actor::Actor, sql::TableName};
use metricd_infrastructure::{
    db::Database,
    loaders::{TableFormat, open_table},
};
use sqlx::{AssertSqlSafe, Row as _, postgres::PgPoolCopyExt as _};
use tempfile::TempDir;

use crate::support::*;

const OWN: &str = r#"
    CREATE TYPE mood AS ENUM ('ok', 'a, "b"');
    CREATE TYPE item AS (sku text, price numeric, many int4multirange);
    CREATE DOMAIN share AS numeric CHECK (VALUE >= 0);
    CREATE DOMAIN spans AS int4multirange;
    CREATE TYPE prices AS RANGE (subtype = numeric);
"#;

/// Values of each type, as SQL reads them.
const SAMPLES: &[(&str, &[&str])] = &[
    ("bool", &["t", "f"]),
    ("int2", &["-32768", "32767"]),
    ("int4", &["-2147483648", "0"]),
    ("int8", &["9223372036854775807"]),
    ("numeric", &["0", "-1.50", "12345678901234567890.0123456789", "NaN", "-Infinity", "1e-20"]),
    ("numeric(30, 2)", &["1e20"]),
    ("float4", &["1.5", "1e-07", "3.4028235e+38", "-0", "NaN", "Infinity"]),
    ("float8", &["0.1", "1e+300", "-Infinity"]),
    ("money", &["$1,234.50", "-$0.01"]),
    (
        "text",
        &["", " ", "a \"b\", c", "line\nbreak\r\nend", "\\N", "\\.", "null", "é", "007", "(,)"],
    ),
    ("varchar", &["", "a,b"]),
    ("bpchar(4)", &["ab"]),
    ("name", &["", "n"]),
    ("\"char\"", &["", "a", ","]),
    ("bytea", &["\\x", "\\x00ff2c22"]),
    (
        "date",
        &["2025-06-01", "infinity", "-infinity", "4714-11-24 BC", "12345-01-31", "5874897-12-31"],
    ),
    ("time", &["12:34:56.789", "24:00:00"]),
    ("timetz", &["12:00:00+02", "12:00:00-03:30"]),
    (
        "timestamp",
        &["2025-06-01 12:34:56.789", "infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59"],
    ),
    ("timestamptz", &["2025-06-01 12:34:56+02", "-infinity", "0044-03-15 12:00:00+00 BC"]),
    ("interval", &["1 year 2 mons -3 days 04:05:06.789", "00:00:00", "-1 days +02:03:00"]),
    ("json", &["{\"a\": [1, null],  \"a\": 2}", "null", "\"x\"", "1", "true"]),
    ("jsonb", &["{\"a\": [1, null, \"b,\\n\"]}", "null", "\"x\"", "1.50", "[]", "false"]),
    ("jsonpath", &["$.\"a\"[*]?(@ > 1)"]),
    ("uuid", &["8c5a6582-7417-4543-a54b-1379a7642543"]),
    ("xml", &["<a b=\"c\">d, e</a>"]),
    ("bit(3)", &["101"]),
    ("varbit", &["", "1011"]),
    ("int4range", &["empty", "[1,3)", "(,5)"]),
    ("int8range", &["[1,)"]),
    ("numrange", &["[1.5,2.5]"]),
    ("daterange", &["[2025-06-01,2025-07-01)", "(,)"]),
    ("tsrange", &["[2025-06-01 12:00,2025-07-01 00:00)"]),
    ("tstzrange", &["[2025-06-01 12:00+02,)"]),
    ("int4multirange", &["{}", "{[1,3),[5,7)}"]),
    ("int8multirange", &["{[1,3)}"]),
    ("nummultirange", &["{[1.5,2.5),(3,)}"]),
    ("datemultirange", &["{[2025-06-01,2025-07-01),[2025-08-01,)}"]),
    ("tsmultirange", &["{[2025-06-01 12:00,2025-07-01 00:00)}"]),
    ("tstzmultirange", &["{[2025-06-01 12:00+02,)}"]),
    ("tsvector", &["", "'a':1 'b, c':2A"]),
    ("tsquery", &["", "'a' & !'b'"]),
    ("inet", &["10.0.0.1/8", "::1"]),
    ("cidr", &["10.0.0.0/8"]),
    ("macaddr", &["08:00:2b:01:02:03"]),
    ("macaddr8", &["08:00:2b:01:02:03:04:05"]),
    ("point", &["(1.5,-2)"]),
    ("line", &["{1,-1,0}"]),
    ("lseg", &["[(0,0),(1,1)]"]),
    ("box", &["(1,1),(0,0)"]),
    ("path", &["((0,0),(1,1))", "[(0,0),(1,1)]"]),
    ("polygon", &["((0,0),(1,1),(1,0))"]),
    ("circle", &["<(0,0),1.5>"]),
    ("oid", &["42"]),
    ("regclass", &["pg_class"]),
    ("regcollation", &["\"C\""]),
    ("regconfig", &["english"]),
    ("regdictionary", &["english_stem"]),
    ("regnamespace", &["pg_catalog"]),
    ("regoper", &["||/"]),
    ("regoperator", &["+(integer,integer)"]),
    ("regproc", &["pg_sleep"]),
    ("regprocedure", &["pg_sleep(double precision)"]),
    ("regrole", &["postgres"]),
    ("regtype", &["double precision"]),
    ("aclitem", &["postgres=r/postgres"]),
    ("cid", &["5"]),
    ("tid", &["(1,2)"]),
    ("xid", &["5"]),
    ("xid8", &["5"]),
    ("int2vector", &["1 2"]),
    ("oidvector", &["1 2"]),
    ("pg_lsn", &["0/16B3748"]),
    ("pg_snapshot", &["10:20:10,14,15"]),
    ("txid_snapshot", &["10:20:10,14,15"]),
    ("refcursor", &["", "c"]),
    ("bool[]", &["{t,f,NULL}"]),
    ("int4[]", &["{}", "{1,NULL,3}", "{{1,2},{3,4}}"]),
    ("text[]", &["{\"a b\",\"\",NULL,\"c\\\"d\\\\\",\"NULL\"}"]),
    ("date[]", &["{2025-06-01}"]),
    ("jsonb[]", &["{\"{\\\"a\\\": 1}\"}"]),
    ("daterange[]", &["{\"[2025-06-01,2025-07-01)\"}"]),
    ("int4multirange[]", &["{\"{[1,3),[5,7)}\"}"]),
    ("mood", &["ok", "a, \"b\""]),
    ("item", &["(\"a \"\"b\"\", c\",1.50,\"{[1,3)}\")", "(,,)"]),
    ("item[]", &["{\"(a,1,)\"}"]),
    ("share", &["0.25"]),
    ("spans", &["{[1,3)}"]),
    ("prices", &["[1.50,2.50)"]),
];

/// Types whose values PostgreSQL does not read.
const WITHOUT_INPUT: &[&str] = &[
    "gtsvector",
    "pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary",
    "pg_dependencies",
    "pg_mcv_list",
    "pg_ndistinct",
    "pg_node_tree",
];

/// The names of the types that PostgreSQL has, other than those of rows.
const ALL_TYPES: &str = "
    SELECT format('%I.%I', n.nspname, t.typname) FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_type e ON e.oid = t.typelem
    WHERE n.nspname IN ('pg_catalog', 'public') AND coalesce(e.typrelid, 0) = 0
        AND (t.typrelid = 0 OR t.typname IN ('item', 'pg_class'))
    ORDER BY 1";

/// The types of values, other than arrays, that the samples must have.
const TYPES_OF_VALUES: &str = "
    SELECT t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE n.nspname = 'pg_catalog' AND t.typtype <> 'p' AND t.typcategory <> 'A' AND t.typrelid = 0";

async fn set_up(db: &Database, engine: Engine) {
    execute(db.pool(), OWN).await;
    if engine == Engine::Native {
        let grants =
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO metricd_reader";
        execute(db.pool(), grants).await;
    }
}

/// All rows of a statement as metricd exports them, under the names of their columns.
async fn exported(runner: &dyn QueryRunner, sql: &str, header: &str) -> Result<String, RunError> {
    let mut csv = format!("{header}\r\n");
    let mut rows = runner.stream(&template(sql), &[]).await?;
    while let Some(lines) = rows.next().await {
        csv.push_str(std::str::from_utf8(&lines?).unwrap());
    }
    Ok(csv)
}

/// Compiles and runs a statement; `false` when it is refused in words.
async fn is_answered(db: &Database, sql: &str, expected: Option<&str>) -> bool {
    let (template, columns) = match compile(&Actor::operator(), &context(db), sql).await {
        Ok(compiled) => compiled,
        Err(
            CompileError::Sql(_)
            | CompileError::Rejected { .. }
            | CompileError::Database(RunError::Query(_)),
        ) => {
            return false;
        }
        Err(error) => panic!("{sql}: {error:?}"),
    };
    assert_eq!(columns.columns.len(), 1, "{sql}");
    let runner = db.runner();
    let rows = runner.run(&template, &[], 10).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    if let Some(expected) = expected {
        assert_eq!(rows.json, expected, "{sql}");
    }
    let csv = exported(runner.as_ref(), &template.sql, "v").await;
    csv.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_answered_or_refused_in_words() {
    on_each_engine_migrated(async |db, engine| {
        set_up(db, engine).await;
        let types = texts(db.pool(), ALL_TYPES).await;
        assert!(types.len() > 150, "{}", types.len());
        let (mut columns, mut casts) = (0, Vec::new());
        for (at, ty) in types.iter().enumerate() {
            if is_answered(db, &format!("SELECT NULL::{ty} AS v"), Some(r#"[{"v":null}]"#)).await {
                casts.push(ty.as_str());
            }
            let create = format!("CREATE TABLE of_type_{at} (v {ty})");
            // There are no columns of a pseudo-type.
            if sqlx::raw_sql(AssertSqlSafe(create)).execute(db.pool()).await.is_err() {
                continue;
            }
            execute(db.pool(), &format!("INSERT INTO of_type_{at} VALUES (NULL)")).await;
            let sql = format!("SELECT v FROM of_type_{at}");
            assert!(is_answered(db, &sql, Some(r#"[{"v":null}]"#)).await, "{ty}");
            columns += 1;
        }
        assert!(columns > 150, "{columns} columns on {engine:?}");
        for ty in ["int4multirange", "regconfig", "tsrange", "point"] {
            assert!(casts.contains(&format!("pg_catalog.{ty}").as_str()), "{ty}: {casts:?}");
        }
        assert!(!casts.iter().any(|ty| ty.contains("regclass")), "{casts:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_type_are_answered_as_postgresql_writes_them() {
    on_each_engine_migrated(async |db, engine| {
        set_up(db, engine).await;
        for (at, (ty, values)) in SAMPLES.iter().enumerate() {
            if !fill(db, engine, at, ty, values).await {
                continue;
            }
            let rows_as_json = format!(
                "SELECT '[' || string_agg(row_to_json(q)::text, ',' ORDER BY id) || ']' \
                 FROM (SELECT id, v FROM sample_{at}) q"
            );
            let expected = texts(db.pool(), &rows_as_json).await;
            let (template, _) = compile(
                &Actor::operator(),
                &context(db),
                &format!("SELECT id, v FROM sample_{at} ORDER BY id"),
            )
            .await
            .unwrap_or_else(|error| panic!("{ty}: {error:?}"));
            let rows = db.runner().run(&template, &[], 100).await.unwrap();
            assert_eq!(rows.json, expected[0], "{ty}");
        }
    })
    .await;
}

/// Makes the table of a type's samples; `false` where the embedded engine is built without the type.
async fn fill(db: &Database, engine: Engine, at: usize, ty: &str, values: &[&str]) -> bool {
    execute(db.pool(), &format!("CREATE TABLE sample_{at} (id int, v {ty})")).await;
    execute(db.pool(), &format!("CREATE TABLE loaded_{at} (LIKE sample_{at})")).await;
    let insert = format!(
        "INSERT INTO sample_{at} SELECT n::int, v::{ty} FROM unnest($1::text[]) WITH ORDINALITY u (v, n)"
    );
    let filled = sqlx::query(AssertSqlSafe(insert)).bind(values).execute(db.pool()).await;
    match filled {
        Err(error) if engine == Engine::Native || ty != "xml" => panic!("{ty}: {error}"),
        Err(_) => false,
        Ok(_) => {
            execute(db.pool(), &format!("INSERT INTO sample_{at} VALUES (0, NULL)")).await;
            true
        }
    }
}

/// Loads a file into a table that is there.
async fn load(db: &Database, dir: &TempDir, table: &str, csv: &str) -> LoadReport {
    let path = dir.path().join("rows.csv");
    std::fs::write(&path, csv).unwrap();
    let request = LoadTable {
        table: table.parse::<TableName>().unwrap(),
        mode: LoadMode::Append,
        types: std::collections::BTreeMap::new(),
        skip_rejected: false,
        dry_run: false,
    };
    let mut file = open_table(&path, TableFormat::Csv).unwrap();
    let context = context(db);
    let operator = Actor::operator();
    let loaded =
        load_table(&operator, &context, request, file.as_mut(), &|_| (), &mut |_| Ok(())).await;
    loaded.unwrap_or_else(|error| panic!("{table}: {error:?}\n{csv}"))
}

/// What `psql` writes by `\copy … csv header`.
async fn copied(db: &Database, sql: &str) -> String {
    use futures::TryStreamExt as _;
    let copy = format!("COPY ({sql}) TO STDOUT (FORMAT csv, HEADER)");
    let chunks = db.pool().copy_out_raw(&copy).await.unwrap();
    let chunks: Vec<_> = chunks.try_collect().await.unwrap();
    String::from_utf8(chunks.concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_of_every_type_loads_back_to_the_same_rows() {
    let dir = TempDir::new().unwrap();
    on_each_engine_migrated(async |db, engine| {
        set_up(db, engine).await;
        for ty in texts(db.pool(), TYPES_OF_VALUES).await {
            let names = |sample: &str| sample.trim_matches('"').split('(').next() == Some(ty.as_str());
            let has_samples = SAMPLES.iter().any(|(sample, _)| names(sample));
            assert!(has_samples || WITHOUT_INPUT.contains(&ty.as_str()), "{ty} has no samples");
        }
        for (at, (ty, values)) in SAMPLES.iter().enumerate() {
            if !fill(db, engine, at, ty, values).await {
                continue;
            }
            // Alone, a null is a blank line.
            for columns in ["id, v", "v"] {
                let sql = format!("SELECT {columns} FROM sample_{at} ORDER BY id");
                let header = columns.replace(' ', "");
                let files = [
                    copied(db, &sql).await,
                    exported(db.runner().as_ref(), &sql, &header).await.unwrap(),
                ];
                for csv in files {
                    execute(db.pool(), &format!("TRUNCATE loaded_{at}")).await;
                    let report = load(db, &dir, &format!("loaded_{at}"), &csv).await;
                    assert!(report.written, "{ty}: {:?}\n{csv}", report.first_rejected);
                    let rows = |table: &str| {
                        format!("SELECT coalesce(({columns})::text, 'null') FROM {table}_{at} ORDER BY 1")
                    };
                    let rows = |table: &str| {
                        if columns == "v" {
                            format!("SELECT coalesce(v::text, 'null') FROM {table}_{at} ORDER BY 1")
                        } else {
                            rows(table)
                        }
                    };
                    let expected = texts(db.pool(), &rows("sample")).await;
                    assert_eq!(texts(db.pool(), &rows("loaded")).await, expected, "{ty}\n{csv}");
                }
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_search_knows_its_stop_words() {
    on_each_engine_migrated(async |db, _| {
        let expected = [
            ("english", "The running dogs", r#"[{"v":"'dog':3 'run':2"}]"#),
            ("german", "Die Katzen und Hunde", r#"[{"v":"'hund':4 'katz':2"}]"#),
            ("simple", "The dogs", r#"[{"v":"'dogs':2 'the':1"}]"#),
        ];
        for (language, text, expected) in expected {
            let sql = format!("SELECT to_tsvector('{language}'::regconfig, '{text}') AS v");
            assert!(is_answered(db, &sql, Some(expected)).await, "{language}");
        }
        let with_stop_words = texts(
            db.pool(),
            "SELECT d.dictname::text FROM pg_ts_dict d WHERE d.dictinitoption LIKE '%stopwords%'",
        )
        .await;
        assert!(with_stop_words.len() >= 15, "{with_stop_words:?}");
        for dictionary in with_stop_words {
            let language = dictionary.trim_end_matches("_stem");
            let sql = format!("SELECT length(to_tsvector('{language}'::regconfig, 'abc')) AS v");
            assert!(is_answered(db, &sql, Some(r#"[{"v":1}]"#)).await, "{language}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_chain_of_operators_is_answered() {
    on_each_engine_migrated(async |db, _| {
        let texts = format!("SELECT length('a'{}) AS v", " || coalesce('b', '')".repeat(690));
        assert!(is_answered(db, &texts, Some(r#"[{"v":691}]"#)).await);
        let numbers =
            format!("SELECT sum(n{}) AS v FROM generate_series(1, 2) n", " + n".repeat(690));
        assert!(is_answered(db, &numbers, Some(r#"[{"v":2073}]"#)).await);
        let unions = format!(
            "SELECT count(*) AS v FROM (SELECT 1 AS a{}) q",
            " UNION ALL SELECT 1".repeat(300)
        );
        assert!(is_answered(db, &unions, Some(r#"[{"v":301}]"#)).await);
        let long = format!(
            "SELECT count(*) AS v FROM generate_series(1, 9) n WHERE n IN ({}1)",
            "7654321, ".repeat(10_000)
        );
        assert!(is_answered(db, &long, Some(r#"[{"v":1}]"#)).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_over_data_is_bounded_when_it_runs() {
    on_each_engine_migrated(async |db, engine| {
        set_up(db, engine).await;
        execute(
            db.pool(),
            "CREATE TABLE visits (d date, t timestamp, z timestamptz, n int); \
             INSERT INTO visits VALUES ('2025-06-01', '2025-06-01', '2025-06-01 00:00+00', 3), \
                 ('2025-06-04', '2025-06-04', '2025-06-04 00:00+00', 5)",
        )
        .await;
        let series = |bounds: &str| format!("SELECT count(*) AS v FROM generate_series({bounds}) s");
        let of = |column: &str, step: &str| {
            series(&format!("(SELECT min({column}) FROM visits), (SELECT max({column}) FROM visits){step}"))
        };
        for (sql, rows) in [
            (of("d", ", '1 day'"), 4),
            (of("t", ", interval '1 day'"), 4),
            (of("z", ", '6 hours'"), 13),
            (of("n", ""), 3),
            (series("(SELECT max(n) FROM visits), 1, -2"), 3),
            (series("(SELECT min(d) FROM visits), '2025-06-30', '1 week'"), 5),
            ("SELECT count(*) AS v FROM visits, generate_series(1, n)".into(), 8),
            ("SELECT count(*) AS v FROM (SELECT generate_series(min(d), max(d), '1 day') FROM visits) q".into(), 4),
            ("SELECT count(*) AS v FROM generate_series((SELECT d FROM visits WHERE false), '2025-06-30', '1 day')".into(), 0),
        ] {
            let expected = format!(r#"[{{"v":{rows}}}]"#);
            assert!(is_answered(db, &sql, Some(&expected)).await, "{sql}");
        }
        let empty = "UPDATE visits SET d = NULL, t = NULL, z = NULL, n = NULL WHERE n = 5";
        execute(db.pool(), empty).await;
        for (change, sql, said) in [
            ("d = 'infinity'", of("d", ", '1 day'"), "infinity"),
            ("d = '0001-01-01'", of("d", ", '1 day'"), "0001-01-01"),
            ("t = '9999-12-31'", of("t", ", '1 hour'"), "9999-12-31"),
            ("z = '-infinity'", of("z", ", '1 hour'"), "-infinity"),
            ("n = 10004", series("1, (SELECT max(n) FROM visits)"), "10004"),
        ] {
            execute(db.pool(), &format!("UPDATE visits SET {change} WHERE n = 3")).await;
            let (template, _) = compile(&Actor::operator(), &context(db), &sql).await.unwrap();
            let failed = db.runner().run(&template, &[], 10).await;
            let row = sqlx::query(AssertSqlSafe(template.sql)).fetch_one(db.pool()).await.map(|row| row.get::<i64, _>(0));
            assert!(failed.is_err(), "{sql}: {failed:?}");
            let error = row.unwrap_err().to_string();
            assert!(error.contains("generate_series()") && error.contains(said), "{error}");
        }
    })
    .await;
}
