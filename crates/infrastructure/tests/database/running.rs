use std::{error::Error, time::Duration};

use metricd_application::ports::{
    QueryRunner, RowStream, Rows, RunError, SessionNeeds, StoreError,
};
use metricd_core::{
    ids::RecordId,
    metric::Column,
    sql::{BoundValue, Draft, Gate, ParameterType, TableName},
};
use metricd_infrastructure::db::{Database, DatabaseConfig, Target};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::*;

async fn run(runner: &dyn QueryRunner, sql: &str) -> Result<Rows, RunError> {
    runner.run(&template(sql), &[], 1_000).await
}

async fn json(runner: &dyn QueryRunner, sql: &str) -> String {
    run(runner, sql).await.unwrap().json
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_json_to_the_last_digit() {
    on_each_engine_migrated(async |db, _| {
        let runner = db.runner();
        let exact = [
            (
                "SELECT 12345678901234567890.0123456789::numeric(30,10) AS n",
                r#"[{"n":12345678901234567890.0123456789}]"#,
            ),
            ("SELECT 9223372036854775807::int8 AS n", r#"[{"n":9223372036854775807}]"#),
            ("SELECT 'NaN'::float8 AS n", r#"[{"n":"NaN"}]"#),
            ("SELECT '-Infinity'::float8 AS n", r#"[{"n":"-Infinity"}]"#),
            ("SELECT 1/3.0 AS n", r#"[{"n":0.33333333333333333333}]"#),
            ("SELECT 1/3::float8 AS n", r#"[{"n":0.3333333333333333}]"#),
            ("SELECT 0.1::float8 + 0.2 AS n", r#"[{"n":0.30000000000000004}]"#),
            ("SELECT 1.50::numeric(10,2) AS n", r#"[{"n":1.50}]"#),
            ("SELECT date '2025-06-02' AS d", r#"[{"d":"2025-06-02"}]"#),
            ("SELECT timestamp '2025-06-02 03:04' AS t", r#"[{"t":"2025-06-02T03:04:00"}]"#),
            (
                "SELECT timestamptz '2025-06-02 03:04+02' AS t",
                r#"[{"t":"2025-06-02T01:04:00+00:00"}]"#,
            ),
            ("SELECT NULL::text AS n, '{1,NULL}'::int[] AS a", r#"[{"n":null,"a":[1,null]}]"#),
            ("SELECT '\"\\' || chr(10) AS \"we\"\"ird\"", r#"[{"we\"ird":"\"\\\n"}]"#),
        ];
        for (sql, expected) in exact {
            assert_eq!(json(runner.as_ref(), sql).await, expected, "{sql}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_shape_of_statement_gives_its_rows_in_order() {
    on_each_engine_migrated(async |db, _| {
        let runner = db.runner();
        let shapes = [
            ("SELECT 1 AS a WHERE false", "[]"),
            ("SELECT 1 AS a, 2 AS a", r#"[{"a":1,"a":2}]"#),
            ("SELECT FROM generate_series(1, 2)", "[{},{}]"),
            ("SELECT 1 AS q, 2 AS row_to_json, 3 AS json", r#"[{"q":1,"row_to_json":2,"json":3}]"#),
            ("SELECT NULL::int AS q, NULL::text AS b", r#"[{"q":null,"b":null}]"#),
            ("SELECT 1", r#"[{"?column?":1}]"#),
            ("VALUES (2), (1)", r#"[{"column1":2},{"column1":1}]"#),
            (
                "SELECT n FROM generate_series(1, 5) n ORDER BY n % 2, n DESC LIMIT 4 OFFSET 1",
                r#"[{"n":2},{"n":5},{"n":3},{"n":1}]"#,
            ),
            (
                "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE n < 3) \
                 SELECT n FROM t ORDER BY n DESC",
                r#"[{"n":3},{"n":2},{"n":1}]"#,
            ),
            ("SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a DESC", r#"[{"a":2},{"a":1}]"#),
            ("SELECT 1 AS a -- the end", r#"[{"a":1}]"#),
        ];
        for (sql, expected) in shapes {
            assert_eq!(json(runner.as_ref(), sql).await, expected, "{sql}");
        }

        let ten = template("SELECT n FROM generate_series(1, 10) n ORDER BY n DESC");
        let cut = runner.run(&ten, &[], 2).await.unwrap();
        assert_eq!((cut.json.as_str(), cut.truncated), (r#"[{"n":10},{"n":9}]"#, true));
        assert!(!runner.run(&ten, &[], 10).await.unwrap().truncated);
        assert!(runner.run(&ten, &[], 9).await.unwrap().truncated);
        let none = runner.run(&ten, &[], 0).await.unwrap();
        assert_eq!((none.json.as_str(), none.truncated), ("[]", true));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_bound_by_their_types() {
    on_each_engine_migrated(async |db, _| {
        let all = template(
            "SELECT $1 AS d, $2 AS t, $3 AS z, $4 AS s, $5 AS i, date '2025-06-10' - $5 AS before",
        );
        let values = [
            BoundValue::Date(day("2025-06-01")),
            BoundValue::Timestamp(moment("2025-06-01T00:00:00")),
            BoundValue::TimestampTz(moment("2025-06-01T00:00:00").and_utc()),
            BoundValue::Text("'; DROP TABLE metrics; --".into()),
            BoundValue::Int(7),
        ];
        let rows = db.runner().run(&all, &values, 10).await.unwrap();
        let expected = concat!(
            r#"[{"d":"2025-06-01","t":"2025-06-01T00:00:00","z":"2025-06-01T00:00:00+00:00","#,
            r#""s":"'; DROP TABLE metrics; --","i":7,"before":"2025-06-03"}]"#
        );
        assert_eq!(rows.json, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_described_without_running() {
    on_each_engine_migrated(async |db, engine| {
        let runner = db.runner();
        execute(
            db.pool(),
            "CREATE SEQUENCE s; CREATE TYPE mood AS ENUM ('ok'); \
             CREATE TABLE t (d date, v varchar(9), c char(3), n name, i int8, m mood, a text[])",
        )
        .await;
        let described = runner
            .describe(
                "SELECT nextval('s') AS next, *, 1.5 AS x, 1::float8 AS f, now() FROM t \
                 WHERE d = $1 AND v = $2 AND c = $3 AND n = $4 AND i = $5 AND now() > $6 \
                 AND localtimestamp > $7 AND m = $8 AND d > current_date - $9::int",
            )
            .await
            .unwrap();
        let text = Some(ParameterType::Text);
        assert_eq!(
            described.parameters,
            [
                Some(ParameterType::Date),
                text,
                text,
                text,
                None,
                Some(ParameterType::TimestampTz),
                Some(ParameterType::Timestamp),
                None,
                Some(ParameterType::Int),
            ],
            "{engine:?}"
        );
        let columns: Vec<_> =
            described.columns.iter().map(|Column { name, ty }| format!("{name} {ty}")).collect();
        assert_eq!(
            columns,
            [
                "next int8",
                "d date",
                "v varchar",
                "c bpchar",
                "n name",
                "i int8",
                "m mood",
                "a text[]",
                "x numeric",
                "f float8",
                "now timestamptz"
            ],
            "{engine:?}"
        );
        assert_eq!(number(db.pool(), "SELECT nextval('s')").await, 1, "nothing ran");

        let error = runner.describe("SELECT 'ü', dat FROM t").await.unwrap_err();
        let RunError::Rejected { message, offset: Some(12) } = error else { panic!("{error:?}") };
        assert!(message.contains("column \"dat\" does not exist"), "{message}");
        for sql in ["SELECT 1; SELECT 2", "SELEC 1", "SELECT * FROM nowhere", ""] {
            let described = runner.describe(sql).await;
            let empty = sql.is_empty();
            assert!(empty || matches!(described, Err(RunError::Rejected { .. })), "{described:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_runs_may_write() {
    on_each_engine_migrated(async |db, engine| {
        execute(
            db.pool(),
            "CREATE SEQUENCE s; \
             CREATE FUNCTION sneak() RETURNS int VOLATILE LANGUAGE sql AS \
                 $$INSERT INTO metrics (metric_id, id, date) VALUES (gen_random_uuid(), 'x', now()); \
                   SELECT 1$$",
        )
        .await;
        let runner = db.runner();
        let refused = [
            "SELECT sneak()",
            "SELECT nextval('s')",
            "SELECT set_config('transaction_read_only', 'off', true), sneak()",
        ];
        for sql in refused {
            let answer = run(runner.as_ref(), sql).await;
            assert!(matches!(answer, Err(RunError::Query(_))), "{engine:?} {sql}: {answer:?}");
        }
        // What a statement sets for its session is undone with it, where there is a transaction.
        let settings: &[&str] = match engine {
            Engine::Embedded => &["default_transaction_read_only", "search_path", "statement_timeout"],
            // There the gate stands before it, and `a_function_leaves_nothing_in_its_session`.
            Engine::Native => &[],
        };
        for setting in settings {
            let before = json(runner.as_ref(), &format!("SELECT current_setting('{setting}')")).await;
            for _ in 0..3 {
                let set = format!("SELECT set_config('{setting}', '0', false)");
                let _ = run(runner.as_ref(), &set).await;
            }
            let after = json(runner.as_ref(), &format!("SELECT current_setting('{setting}')")).await;
            assert_eq!(before, after, "{engine:?}");
        }
        assert!(run(runner.as_ref(), "SELECT sneak()").await.is_err());
        assert_eq!(number(db.pool(), "SELECT count(*) FROM metrics").await, 0, "{engine:?}");
        assert_eq!(number(db.pool(), "SELECT nextval('s')").await, 1, "{engine:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_leaves_nothing_in_its_session() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    execute(
        db.pool(),
        "CREATE FUNCTION sneak() RETURNS int VOLATILE LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM set_config('TimeZone', 'Asia/Tokyo', false); \
             PERFORM set_config('search_path', 'pg_catalog', false); \
             PERFORM set_config('statement_timeout', '0', false); \
             PERFORM pg_advisory_lock(17); RETURN 1; END $$; \
         CREATE FUNCTION constant() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN \
             PERFORM set_config('TimeZone', 'Asia/Tokyo', false); RETURN 1; END $$; \
         CREATE VIEW sneaky AS SELECT sneak() AS n; CREATE VIEW planned AS SELECT 1 AS n WHERE constant() = 1; \
         CREATE VIEW behind AS SELECT n FROM sneaky; GRANT SELECT ON sneaky, behind, planned TO metricd_reader",
    )
    .await;
    let runner = db.runner();
    let settings = "SELECT current_setting('TimeZone') AS z, current_setting('search_path') AS s, \
                    current_setting('statement_timeout') AS t";
    let before = json(runner.as_ref(), settings).await;
    for sql in ["SELECT n FROM sneaky", "SELECT n FROM behind", "SELECT n FROM planned"] {
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        for _ in 0..3 {
            let described = runner.describe_template(&template).await.unwrap();
            assert!(described.relations.calls_functions, "{sql}");
            runner.cost(&template, &[]).await.unwrap();
            let needs =
                SessionNeeds { relations: Some(described.relations), ..SessionNeeds::default() };
            let session = runner.session(needs).await.unwrap();
            assert_eq!(session.run(&template, &[], 1).await.unwrap().json, r#"[{"n":1}]"#);
            for _ in 0..3 {
                assert_eq!(json(runner.as_ref(), settings).await, before, "{sql}");
            }
        }
        let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 17";
        wait_for_number(db.pool(), locks, 0).await;
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_statement_says_why_and_leaves_the_connection_usable() {
    on_each_engine_migrated(async |db, _| {
        let runner = db.runner();
        for _ in 0..20 {
            let error = run(runner.as_ref(), "SELECT 1/0 AS n").await.unwrap_err();
            let RunError::Query(source) = error else { panic!("{error:?}") };
            assert_eq!(source.to_string(), "division by zero (SQLSTATE 22012)");
        }
        assert_eq!(json(runner.as_ref(), "SELECT 1 AS n").await, r#"[{"n":1}]"#);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_too_much_for_the_database_is_a_fault_of_the_query() {
    on_each_engine_migrated(async |db, engine| {
        let error =
            run(db.runner().as_ref(), "SELECT repeat('!', 5000)::tsquery AS q").await.unwrap_err();
        let RunError::Query(fault) = error else { panic!("{engine:?}: {error:?}") };
        assert!(fault.whole().contains("tsquery stack too small (SQLSTATE 54000)"), "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_nested_too_deep_is_refused_by_the_engine() {
    on_each_engine_migrated(async |db, engine| {
        let runner = db.runner();
        // What ends the embedded engine is in `embedded`.
        let depths = match engine {
            Engine::Native => [5_000, 20_000, 250_000],
            Engine::Embedded => [1_000, 5_000, 10_000],
        };
        for (open, depth) in depths.into_iter().flat_map(|depth| [("[", depth), ("{\"a\":", depth)])
        {
            let sql = format!("SELECT '{}'::jsonb IS NULL AS x", open.repeat(depth));
            let error = run(runner.as_ref(), &sql).await.unwrap_err();
            assert!(matches!(error, RunError::Query(_)), "{depth} {open}: {error:?}");
            assert_eq!(json(runner.as_ref(), "SELECT 1 AS n").await, r#"[{"n":1}]"#);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_quotes_no_row_and_a_refusal_says_all_of_it() {
    on_each_engine_migrated(async |db, engine| {
        commit(db.uncached_store().as_ref(), async |uow| {
            uow.insert_record(RecordId(Uuid::nil()), &record("secret", 1)).await.unwrap();
        })
        .await;
        let runner = db.runner();
        let quoting = [
            (
                "SELECT id::int AS n FROM metrics",
                "invalid input syntax for type integer (SQLSTATE 22P02)",
            ),
            ("SELECT to_date(id, 'YYYY') AS n FROM metrics", "invalid value (SQLSTATE 22007)"),
            (
                "SELECT id::date AS n FROM metrics",
                "invalid input syntax for type date (SQLSTATE 22007)",
            ),
        ];
        for (sql, expected) in quoting {
            let error = run(runner.as_ref(), sql).await.unwrap_err();
            let told = format!("{error:?} {}", Error::source(&error).unwrap());
            assert!(told.contains(expected) && !told.contains("secret"), "{engine:?}: {told}");
        }
        let error = runner.describe("SELECT 'author'::int AS n").await.unwrap_err();
        assert!(error.to_string().contains("\"author\""), "{engine:?}: {error}");

        let other = query("secret\" key (secret)");
        let mut work = db.uncached_store().begin().await.unwrap();
        work.insert_query(&other).await.unwrap();
        let error = work.insert_query(&other).await.unwrap_err();
        assert!(!format!("{error:?}").contains("secret"), "{engine:?}: {error:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_dropped_at_any_moment_leaves_its_connection_clean() {
    on_each_engine_migrated(async |db, engine| {
        let runner = db.runner();
        for polls in 1..60 {
            dropped_after(polls, run(runner.as_ref(), "SELECT 1 AS n")).await;
            assert_every_connection_is_clean(db, &format!("{engine:?}, poll {polls}")).await;
        }
    })
    .await;
}

fn table(schema: Option<&str>, name: &str) -> TableName {
    TableName { schema: schema.map(str::to_owned), name: name.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_records_and_granted_tables_are_readable() {
    on_each_engine_migrated(async |db, engine| {
        execute(
            db.pool(),
            r#"CREATE TABLE orders (n int); CREATE TABLE secrets (n int); CREATE SEQUENCE s;
            CREATE VIEW "Big View" AS SELECT 1 AS n; CREATE SCHEMA other; CREATE TABLE other.t (n int);
            CREATE TABLE other.metrics (n int); CREATE TABLE pg_class (n int)"#,
        )
        .await;
        let runner = db.runner();
        let records = [table(None, "metrics"), table(Some("public"), "metrics")];
        assert_eq!(runner.unreadable(&records).await.unwrap(), []);
        assert_eq!(runner.unreadable(&[]).await.unwrap(), []);

        let never = [
            table(None, "nowhere"),
            table(None, "s"),
            table(None, "pg_class"),
            table(None, "Metrics"),
            table(Some("pg_catalog"), "pg_class"),
            table(Some("metricd"), "queries"),
            table(Some("information_schema"), "tables"),
            table(Some("other"), "metrics"),
            table(Some("nowhere"), "metrics"),
        ];
        assert_eq!(runner.unreadable(&never).await.unwrap(), never, "{engine:?}");

        let elsewhere = [table(Some("other"), "t")];
        assert_eq!(runner.unreadable(&elsewhere).await.unwrap(), elsewhere, "{engine:?}");
        let theirs =
            [table(None, "orders"), table(Some("public"), "Big View"), table(None, "secrets")];
        let refused = runner.unreadable(&theirs).await.unwrap();
        if engine == Engine::Embedded {
            assert_eq!(refused, []);
            return;
        }
        assert_eq!(refused, theirs, "nothing was granted");
        execute(db.pool(), r#"GRANT SELECT ON orders, "Big View" TO metricd_reader"#).await;
        assert_eq!(runner.unreadable(&theirs).await.unwrap(), theirs[2..]);

        execute(
            db.pool(),
            "GRANT SELECT ON other.t TO metricd_reader; \
             GRANT SELECT ON ALL TABLES IN SCHEMA metricd TO metricd_reader; \
             GRANT USAGE ON SCHEMA metricd TO metricd_reader",
        )
        .await;
        assert_eq!(runner.unreadable(&elsewhere).await.unwrap(), elsewhere, "not its schema");
        execute(db.pool(), "GRANT USAGE ON SCHEMA other TO metricd_reader").await;
        assert_eq!(runner.unreadable(&elsewhere).await.unwrap(), []);
        assert_eq!(runner.unreadable(&never).await.unwrap(), never);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_columns_make_a_table_readable_and_no_others() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    let made = "CREATE TABLE staff (name text, salary int); INSERT INTO staff VALUES ('Ann', 1); \
                GRANT SELECT (name) ON staff TO metricd_reader";
    execute(db.pool(), made).await;
    let runner = db.runner();
    assert_eq!(runner.unreadable(&[table(None, "staff")]).await.unwrap(), []);
    assert_eq!(json(runner.as_ref(), "SELECT name FROM staff").await, r#"[{"name":"Ann"}]"#);
    let refused = runner.cost(&template("SELECT salary FROM staff"), &[]).await;
    assert!(matches!(refused, Err(RunError::Query(_))), "{refused:?}");
    db.close().await;
}

async fn connect_with_deadline(target: Target, deadline: Duration) -> Database {
    let config = DatabaseConfig { query_deadline: deadline, ..DatabaseConfig::new(target) };
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    db
}

const LONG: &str =
    "SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 200) b";

#[tokio::test(flavor = "multi_thread")]
async fn past_the_deadline_a_server_stops_the_query() {
    let server = NativeServer::start();
    let db = connect_with_deadline(Target::Url(server.url().into()), Duration::from_secs(2)).await;
    let runner = db.runner();
    let endless = "SELECT pg_sleep(600)";
    let answer = run(runner.as_ref(), endless).await;
    assert!(matches!(answer, Err(RunError::Deadline)), "{answer:?}");

    // More of them abandoned than there are connections.
    for _ in 0..30 {
        let runner = db.runner();
        let task = tokio::spawn(async move { run(runner.as_ref(), endless).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
        task.abort();
        let _ = task.await;
    }
    let sleeping = "SELECT count(*) FROM pg_stat_activity \
                    WHERE query LIKE '%pg_sleep(600)%' AND state = 'active' AND pid <> pg_backend_pid()";
    wait_for_number(db.pool(), sleeping, 0).await;
    assert_eq!(json(runner.as_ref(), "SELECT 1 AS n").await, r#"[{"n":1}]"#);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shortly_past_the_deadline_the_embedded_engine_goes_on_and_the_next_call_waits() {
    let dir = TempDir::new().unwrap();
    let db = connect_with_deadline(embedded(dir.path()), Duration::from_millis(20)).await;
    let answer = run(db.runner().as_ref(), LONG).await;
    assert!(matches!(answer, Err(RunError::Deadline)), "{answer:?}");
    assert!(db.catalog().is_reachable().await, "a busy engine is alive");
    assert_eq!(db.catalog().find(metric_id(1)).await.unwrap(), None, "it waited its turn");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_timeout_of_the_embedded_engine_is_reported() {
    let dir = TempDir::new().unwrap();
    let config = DatabaseConfig {
        acquire_timeout: Duration::from_millis(300),
        query_deadline: Duration::from_mins(1),
        ..DatabaseConfig::new(embedded(dir.path()))
    };
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    let assert_all_busy = async || {
        let store = db.uncached_store();
        let (begun, found, ran) =
            tokio::join!(store.begin(), async { db.catalog().find(metric_id(1)).await }, async {
                run(db.runner().as_ref(), "SELECT 1 AS n").await
            },);
        assert!(matches!(begun.err(), Some(StoreError::Unavailable(_))));
        assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
        assert!(matches!(ran, Err(RunError::Unavailable(_))), "{ran:?}");
        assert!(db.catalog().is_reachable().await, "a busy engine is alive");
    };

    let held = db.uncached_store().begin().await.unwrap();
    assert_all_busy().await;
    drop(held);
    let runner = db.runner();
    wait_until(async || run(runner.as_ref(), "SELECT 1 AS n").await.is_ok()).await;

    // The caller is gone, and the engine goes on. It is given more time to start where it has not.
    let long = "SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 1600) b";
    let mut wait = Duration::from_millis(50);
    wait_until(async || {
        let asking = tokio::time::timeout(wait, run(runner.as_ref(), long));
        assert!(asking.await.is_err());
        wait *= 2;
        db.uncached_store().begin().await.is_err()
    })
    .await;
    assert_all_busy().await;
    wait_until(async || db.uncached_store().begin().await.is_ok()).await;
    assert_eq!(db.catalog().find(metric_id(1)).await.unwrap(), None);
    db.close().await;
}

/// All rows of a statement, as lines.
async fn lines(rows: &mut RowStream) -> Result<String, RunError> {
    let mut all = String::new();
    while let Some(lines) = rows.next().await {
        all.push_str(std::str::from_utf8(&lines?).unwrap());
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_rows_come_however_many() {
    on_each_engine_migrated(async |db, _| {
        let runner = db.runner();
        let many = template("SELECT $1 - n AS a, 'b' AS a FROM generate_series(1, 3000) n");
        let mut rows = runner.stream(&many, &[BoundValue::Int(0)]).await.unwrap();
        let expected = (1..=3_000).map(|n| format!("-{n},b\r\n")).collect::<Vec<_>>().concat();
        assert_eq!(lines(&mut rows).await.unwrap(), expected);

        // A whole batch, and not a row more.
        let batch = template("SELECT 1 AS q FROM generate_series(1, 1000)");
        let mut rows = runner.stream(&batch, &[]).await.unwrap();
        assert_eq!(lines(&mut rows).await.unwrap(), "1\r\n".repeat(1_000));

        let none = template("SELECT 1 AS x WHERE false");
        let mut rows = runner.stream(&none, &[]).await.unwrap();
        assert_eq!(lines(&mut rows).await.unwrap(), "");

        let broken = template("SELECT 1 / (2000 - n) AS x FROM generate_series(1, 3000) n");
        let mut rows = runner.stream(&broken, &[]).await.unwrap();
        assert!(matches!(lines(&mut rows).await, Err(RunError::Query(_))));
        assert_eq!(json(runner.as_ref(), "SELECT 1 AS x").await, r#"[{"x":1}]"#);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_stream_leaves_the_database_free() {
    on_each_engine_migrated(async |db, _| {
        let runner = db.runner();
        let endless =
            template("SELECT a AS x FROM generate_series(1, 10000) a, generate_series(1, 10000) b");
        // As many at once as may be.
        let mut taken = Vec::new();
        let refused = loop {
            match runner.stream(&endless, &[]).await {
                Ok(rows) => taken.push(rows),
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, RunError::QueueFull) && !taken.is_empty(), "{refused:?}");
        drop(taken);
        loop {
            match runner.stream(&template("SELECT 1 AS x"), &[]).await {
                Ok(mut rows) => break assert_eq!(lines(&mut rows).await.unwrap(), "1\r\n"),
                Err(RunError::QueueFull | RunError::Unavailable(_)) => {
                    tokio::task::yield_now().await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await;
}
