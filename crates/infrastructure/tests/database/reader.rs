//! The reader role: how it comes to be, what the proof finds, and what it stops by itself, without a
//! gate before it.

use std::borrow::Cow;

use metricd_application::ports::{QueryRunner, RunError};
use metricd_infrastructure::db::{
    Database, DatabaseConfig, MigrateError, OverriddenDefault, PrivilegeViolation, ReaderError,
    Target,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::*;

/// The role's attributes, as one text.
const ATTRIBUTES: &str = "SELECT concat_ws(' ', rolcanlogin, rolinherit, rolsuper, rolcreatedb, \
                          rolcreaterole, rolreplication, rolbypassrls, rolconnlimit) FROM pg_roles \
                          WHERE rolname = 'metricd_reader'";

const PASSWORD: &str = "SELECT password FROM metricd.reader_roles WHERE role = 'metricd_reader'";

async fn start() -> (NativeServer, Database) {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    (server, db)
}

async fn refusal(db: &Database) -> ReaderError {
    match db.migrate().await {
        Err(MigrateError::Reader(error)) => error,
        other => panic!("{other:?}"),
    }
}

async fn violations(db: &Database) -> Vec<PrivilegeViolation> {
    match refusal(db).await {
        ReaderError::Unsafe { role, violations } => {
            assert_eq!(role, "metricd_reader");
            violations
        }
        other => panic!("{other:?}"),
    }
}

async fn answer(runner: &dyn QueryRunner, sql: &str) -> Result<String, RunError> {
    runner.run(&template(sql), &[], 100).await.map(|rows| rows.json)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_is_created_with_a_secret_password() {
    let server = NativeServer::start_logging();
    let db = connect(Target::Url(server.url().into())).await;
    server.ask_password_of("metricd_reader");
    execute(db.pool(), "SELECT pg_reload_conf()").await;
    db.migrate().await.unwrap();
    assert_eq!(texts(db.pool(), ATTRIBUTES).await, ["t f f f f f f 50"]);
    let runner = db.runner();
    let who = "SELECT session_user || ' ' || current_user AS who";
    let expected = r#"[{"who":"metricd_reader metricd_reader"}]"#;
    assert_eq!(answer(runner.as_ref(), who).await.unwrap(), expected);

    let password = texts(db.pool(), PASSWORD).await.remove(0);
    assert!(password.len() >= 64, "{} characters", password.len());
    // A second server, or the same one again, knows the same password.
    let second = connect(Target::Url(server.url().into())).await;
    second.migrate().await.unwrap();
    db.migrate().await.unwrap();
    assert_eq!(texts(db.pool(), PASSWORD).await, [password.as_str()]);

    let log = server.log();
    assert!(log.contains("CREATE ROLE") && log.contains("SCRAM-SHA-256$"), "{log}");
    assert!(!log.contains(&password), "the server has written the password down");

    // Its password was changed.
    execute(db.pool(), "ALTER ROLE metricd_reader PASSWORD 'other'").await;
    let error = refusal(&db).await;
    assert!(matches!(error, ReaderError::Connect { .. }), "{error:?}");
    let told = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(told.contains("database.reader_role") && !told.contains(&password), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_and_settings_that_are_missing_come_back() {
    let (_server, db) = start().await;
    let settings = "SELECT unnest(setconfig) FROM pg_db_role_setting s \
                    JOIN pg_roles r ON r.oid = s.setrole WHERE rolname = 'metricd_reader' ORDER BY 1";
    let made = texts(db.pool(), settings).await;
    assert!(made.contains(&"default_transaction_read_only=on".to_owned()), "{made:?}");
    assert!(made.contains(&"statement_timeout=27000ms".to_owned()), "{made:?}");
    execute(
        db.pool(),
        "ALTER ROLE metricd_reader IN DATABASE postgres RESET ALL; \
         REVOKE SELECT ON metrics FROM metricd_reader; \
         REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; \
         REVOKE USAGE ON SCHEMA public FROM PUBLIC",
    )
    .await;
    db.migrate().await.unwrap();
    assert_eq!(texts(db.pool(), settings).await, made);

    // The table was made anew.
    execute(db.pool(), "CREATE TABLE new (LIKE metrics); DROP TABLE metrics").await;
    execute(db.pool(), "ALTER TABLE new RENAME TO metrics").await;
    let count = "SELECT count(*) AS n FROM metrics";
    assert!(answer(db.runner().as_ref(), count).await.is_err());
    db.migrate().await.unwrap();
    assert_eq!(answer(db.runner().as_ref(), count).await.unwrap(), r#"[{"n":0}]"#);

    execute(db.pool(), "DROP TABLE metrics").await;
    let found = violations(&db).await;
    assert_eq!(found[0].what, "it may not read public.metrics");
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_of_one_server_each_have_a_role_of_their_own_or_a_copy_of_one() {
    let (server, db) = start().await;
    execute(db.pool(), "CREATE DATABASE second").await;
    let second = connect(Target::Url(server.url_of("postgres", "second").into())).await;
    let error = refusal(&second).await;
    let ReaderError::RoleExists { role } = &error else { panic!("{error:?}") };
    assert_eq!(role, "metricd_reader");
    let told = error.to_string();
    assert!(
        told.contains("database.reader_role") && told.contains("READER_DATABASE_URL"),
        "{told}"
    );
    let unopened = answer(second.runner().as_ref(), "SELECT 1 AS n").await;
    assert!(matches!(unopened, Err(RunError::Unavailable(_))), "{unopened:?}");

    let other = DatabaseConfig {
        reader_role: "another \"one\"".into(),
        ..DatabaseConfig::new(Target::Url(server.url_of("postgres", "second").into()))
    };
    let other = Database::connect(other).await.unwrap();
    other.migrate().await.unwrap();
    let who = answer(other.runner().as_ref(), "SELECT current_user AS who").await.unwrap();
    assert_eq!(who, r#"[{"who":"another \"one\""}]"#);
    other.close().await;
    second.close().await;

    execute(db.pool(), "CREATE DATABASE copy TEMPLATE second").await;
    let copy = DatabaseConfig {
        reader_role: "another \"one\"".into(),
        ..DatabaseConfig::new(Target::Url(server.url_of("postgres", "copy").into()))
    };
    let copy = Database::connect(copy).await.unwrap();
    copy.migrate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_login_is_taken_over_with_its_grants() {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    execute(
        db.pool(),
        "CREATE TABLE orders (n int); CREATE ROLE metricd_reader; \
         GRANT SELECT ON orders TO metricd_reader",
    )
    .await;
    db.migrate().await.unwrap();
    assert_eq!(texts(db.pool(), ATTRIBUTES).await, ["t f f f f f f 50"]);
    let orders = answer(db.runner().as_ref(), "SELECT count(*) AS n FROM orders").await;
    assert_eq!(orders.unwrap(), r#"[{"n":0}]"#);
    db.close().await;
    drop(server);

    for theirs in [
        "CREATE ROLE metricd_reader LOGIN",
        "CREATE ROLE metricd_reader CREATEROLE",
        "CREATE ROLE metricd_reader; CREATE TABLE t (n int); ALTER TABLE t OWNER TO metricd_reader",
        "CREATE ROLE metricd_reader; GRANT pg_read_all_data TO metricd_reader",
    ] {
        let server = NativeServer::start();
        let db = connect(Target::Url(server.url().into())).await;
        execute(db.pool(), theirs).await;
        let before = texts(db.pool(), ATTRIBUTES).await;
        let error = refusal(&db).await;
        assert!(matches!(error, ReaderError::RoleExists { .. }), "{theirs}: {error:?}");
        assert_eq!(texts(db.pool(), ATTRIBUTES).await, before, "{theirs}");
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_createrole_the_error_has_the_statements_for_an_administrator() {
    let server = NativeServer::start();
    let admin = connect(Target::Url(server.url().into())).await;
    execute(admin.pool(), "CREATE ROLE ann LOGIN").await;
    execute(admin.pool(), "CREATE DATABASE shop OWNER ann").await;
    let target = || Target::Url(server.url_of("ann", "shop").into());
    // In PostgreSQL 13 and 14 PUBLIC may create in `public`; later only the database's owner.
    let shop = connect(Target::Url(server.url_of("postgres", "shop").into())).await;
    execute(
        shop.pool(),
        "ALTER SCHEMA public OWNER TO ann; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    .await;
    let db = connect(target()).await;
    let ReaderError::MayNotMake { role, sql } = refusal(&db).await else { panic!() };
    assert_eq!(role, "metricd_reader");
    execute(shop.pool(), &sql.replace('…', "hunter2")).await;
    db.close().await;

    let with_url = |url: String| DatabaseConfig {
        reader_url: Some(url.into()),
        ..DatabaseConfig::new(target())
    };
    let given = with_url(server.url_of("metricd_reader:hunter2", "shop"));
    assert!(!format!("{given:?}").contains("hunter2"));
    let db = Database::connect(given).await.unwrap();
    db.migrate().await.unwrap();
    assert_eq!(number(db.pool(), "SELECT count(*) FROM metricd.reader_roles").await, 0);
    let session = "SELECT current_user || ' ' || current_setting('default_transaction_read_only') \
                   || ' ' || current_setting('statement_timeout') || ' ' \
                   || current_setting('search_path') || ' ' || current_setting('TimeZone') AS s";
    let settled = answer(db.runner().as_ref(), session).await.unwrap();
    assert_eq!(settled, r#"[{"s":"metricd_reader on 27s public UTC"}]"#);
    db.close().await;

    // A role that was given is verified, and neither granted nor repaired.
    execute(shop.pool(), "REVOKE SELECT ON metrics FROM metricd_reader").await;
    let db = Database::connect(with_url(server.url_of("metricd_reader", "shop"))).await.unwrap();
    let found = violations(&db).await;
    assert_eq!(found[0].what, "it may not read public.metrics");
    execute(shop.pool(), &found[0].remedy).await;
    db.migrate().await.unwrap();
    db.close().await;

    // The same role for both.
    let db = Database::connect(with_url(server.url_of("ann", "shop"))).await.unwrap();
    let ReaderError::Unsafe { role, violations } = refusal(&db).await else { panic!() };
    assert_eq!(role, "ann");
    for owned in ["table metrics", "schema metricd"] {
        assert!(
            violations.iter().any(|violation| violation.what.contains(owned)),
            "{owned}: {violations:?}"
        );
    }
    db.close().await;

    let absent = Database::connect(with_url(server.url_of("bob:hunter2", "shop"))).await.unwrap();
    let error = refusal(&absent).await;
    let told = format!("{error} {error:?}");
    assert!(told.contains("as the reader role `bob`") && !told.contains("hunter2"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_make_roles_is_enough() {
    let server = NativeServer::start();
    let admin = connect(Target::Url(server.url().into())).await;
    execute(admin.pool(), "CREATE ROLE ann LOGIN CREATEROLE").await;
    execute(admin.pool(), "CREATE DATABASE shop OWNER ann").await;
    let shop = connect(Target::Url(server.url_of("postgres", "shop").into())).await;
    execute(
        shop.pool(),
        "ALTER SCHEMA public OWNER TO ann; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    .await;
    let db = connect(Target::Url(server.url_of("ann", "shop").into())).await;
    db.migrate().await.unwrap();
    db.migrate().await.unwrap();
    assert_eq!(answer(db.runner().as_ref(), "SELECT 1 AS n").await.unwrap(), r#"[{"n":1}]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn defaults_that_do_not_reach_stored_sql_are_found() {
    let (_server, db) = start().await;
    let found = async || {
        let found = db.overridden_defaults("UTC").await.unwrap();
        let line = |OverriddenDefault { of, setting, value, applied }| {
            format!("{of}: {setting} = {value}, not {applied}")
        };
        found.into_iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(found().await, [""; 0]);
    execute(
        db.pool(),
        "ALTER DATABASE postgres SET timezone = 'Europe/Berlin'; \
         ALTER DATABASE postgres SET work_mem = '8MB'; \
         ALTER ROLE ALL SET search_path = sales, public; \
         ALTER ROLE postgres SET datestyle = 'German'; \
         ALTER ROLE postgres IN DATABASE postgres SET timezone = 'UTC'; \
         ALTER ROLE metricd_reader SET intervalstyle = 'iso_8601'; \
         CREATE ROLE other; ALTER ROLE other SET timezone = 'Asia/Tokyo'",
    )
    .await;
    execute(db.pool(), "CREATE DATABASE other").await;
    execute(db.pool(), "ALTER DATABASE other SET timezone = 'Asia/Tokyo'").await;
    let expected = [
        "database postgres: TimeZone = Europe/Berlin, not UTC",
        "every role: search_path = sales, public, not public",
        "role metricd_reader: IntervalStyle = iso_8601, not postgres",
        "role postgres: DateStyle = German, not ISO, MDY",
    ];
    assert_eq!(found().await, expected);
    let sql = "SELECT '2025-06-30 12:00'::timestamptz AS t, interval '26 hours' AS i, '01/02/2025'::date AS d";
    let answered = answer(db.runner().as_ref(), sql).await.unwrap();
    let expected = r#"[{"t":"2025-06-30T12:00:00+00:00","i":"26:00:00","d":"2025-01-02"}]"#;
    assert_eq!(answered, expected);
    // A restart finds the same: nothing of it was changed.
    db.migrate().await.unwrap();
    assert_eq!(found().await.len(), 4);
}

/// What is planted, what the proof calls it, and whether its remedy puts an end to it.
const PLANTED: [(&str, &str); 18] = [
    ("GRANT INSERT ON metrics TO metricd_reader", "it may INSERT public.metrics"),
    ("GRANT UPDATE (date) ON metrics TO metricd_reader", "it may UPDATE date of public.metrics"),
    (
        "CREATE TABLE other.\"T 1\" (n int); GRANT DELETE, TRUNCATE ON other.\"T 1\" TO PUBLIC",
        "PUBLIC may DELETE, TRUNCATE other.\"T 1\"",
    ),
    (
        "CREATE VIEW v AS SELECT 1 AS n; GRANT TRIGGER ON v TO metricd_reader",
        "it may TRIGGER public.v",
    ),
    ("CREATE SEQUENCE s; GRANT USAGE ON SEQUENCE s TO metricd_reader", "it may USAGE public.s"),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "PUBLIC may create in the schema public"),
    ("GRANT CREATE ON SCHEMA other TO metricd_reader", "it may create in the schema other"),
    (
        "GRANT CREATE ON DATABASE postgres TO metricd_reader",
        "it may create schemas in this database",
    ),
    ("GRANT USAGE ON SCHEMA metricd TO metricd_reader", "it may look into the schema metricd"),
    ("GRANT SELECT ON metricd.queries TO metricd_reader", "it may SELECT metricd.queries"),
    (
        "GRANT SELECT (password) ON metricd.reader_roles TO PUBLIC",
        "PUBLIC may SELECT password of metricd.reader_roles",
    ),
    ("ALTER ROLE metricd_reader SUPERUSER", "it is SUPERUSER"),
    ("ALTER ROLE metricd_reader CREATEROLE", "it is CREATEROLE"),
    ("ALTER ROLE metricd_reader CREATEDB", "it is CREATEDB"),
    ("ALTER ROLE metricd_reader BYPASSRLS", "it is BYPASSRLS"),
    ("GRANT postgres TO metricd_reader", "it is a member of postgres"),
    ("GRANT pg_monitor TO metricd_reader", "it is a member of pg_monitor"),
    (
        "CREATE TABLE owned (n int); ALTER TABLE owned OWNER TO metricd_reader",
        "it owns table owned",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_violation_is_found_and_named_and_its_remedy_helps() {
    let (_server, db) = start().await;
    execute(db.pool(), "CREATE SCHEMA other").await;
    for (planted, what) in PLANTED {
        execute(db.pool(), planted).await;
        let found = violations(&db).await;
        let named: Vec<&str> = found.iter().map(|violation| violation.what.as_str()).collect();
        assert_eq!(named, [what], "{planted}");
        execute(db.pool(), &found[0].remedy).await;
        db.migrate().await.unwrap_or_else(|error| panic!("{planted}: {error}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_violations_are_reported_at_once() {
    let (server, db) = start().await;
    execute(db.pool(), "CREATE DATABASE elsewhere").await;
    let elsewhere = connect(Target::Url(server.url_of("postgres", "elsewhere").into())).await;
    execute(elsewhere.pool(), "CREATE TABLE t (n int); ALTER TABLE t OWNER TO metricd_reader")
        .await;
    elsewhere.close().await;
    for (planted, _) in PLANTED.iter().filter(|(planted, _)| !planted.contains("other")) {
        execute(db.pool(), planted).await;
    }
    let error = refusal(&db).await.to_string();
    for (planted, what) in PLANTED {
        assert_eq!(error.contains(what), !planted.contains("other"), "{what}: {error}");
    }
    assert!(error.contains("it owns something in the database elsewhere"), "{error}");
    assert!(error.contains("REVOKE CREATE ON SCHEMA public FROM PUBLIC"), "{error}");
}

/// Statements that the gate should never let through. Here there is none: read-only is off, and the
/// role alone stands before the data.
const HOSTILE: [&str; 44] = [
    "INSERT INTO metrics (metric_id, id, date) VALUES (gen_random_uuid(), 'x', now())",
    "UPDATE metrics SET id = 'x'",
    "DELETE FROM metrics",
    "TRUNCATE metrics",
    "BEGIN; LOCK TABLE metrics IN ACCESS EXCLUSIVE MODE",
    "SELECT * FROM metrics FOR UPDATE",
    "WITH gone AS (DELETE FROM metrics RETURNING *) SELECT * FROM gone",
    "SELECT lo_import('/etc/passwd')",
    "INSERT INTO orders VALUES (1)",
    "SELECT * FROM secrets",
    "SELECT n FROM secret_view",
    "SELECT * FROM metricd.queries",
    "SELECT password FROM metricd.reader_roles",
    "UPDATE metricd.queries SET sql = 'x'",
    "SELECT query_to_xml('SELECT * FROM metricd.queries', true, true, '')",
    "SELECT table_to_xml('metricd.reader_roles', true, true, '')",
    "SELECT set_config('role', 'none', false), query_to_xml('SELECT * FROM secrets', true, true, '')",
    "SELECT ts_stat('SELECT to_tsvector(n::text) FROM secrets')",
    "SELECT id INTO TABLE metricd.stolen FROM metrics",
    "SELECT * INTO stolen FROM metrics",
    "CREATE TABLE stolen AS SELECT * FROM metrics",
    "CREATE TABLE metricd.mine (n int)",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE ROLE mine",
    "CREATE EXTENSION dblink",
    "ALTER TABLE metrics ADD mine int",
    "DROP TABLE metrics",
    "DROP SCHEMA metricd CASCADE",
    "ALTER ROLE metricd_reader SUPERUSER",
    "ALTER ROLE postgres PASSWORD 'x'",
    "GRANT SELECT ON secrets TO metricd_reader",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT set_config('role', 'postgres', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "COPY (SELECT 1) TO '/tmp/stolen'",
    "COPY metrics FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'id'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_authid",
    "SELECT nextval('counter')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
];

/// Tries each statement as the reader, with read-only switched off.
async fn refused_for_want_of_a_right(server: &NativeServer, statements: &[&str]) {
    let url = server.url_of("metricd_reader", "postgres");
    let mut passed = Vec::new();
    for statement in statements {
        let mut reader = PgConnection::connect(&url).await.unwrap();
        let off = "SET default_transaction_read_only = off";
        sqlx::raw_sql(off).execute(&mut reader).await.unwrap();
        let done = sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&mut reader).await;
        let refused = done.err().and_then(sqlx::Error::into_database_error);
        let code = refused.and_then(|error| error.code().map(Cow::into_owned));
        if code.as_deref() != Some("42501") {
            passed.push(format!("{statement}: {code:?}"));
        }
    }
    assert!(passed.is_empty(), "not refused for want of a right: {passed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_stops_what_the_gate_should_have() {
    let (server, db) = start().await;
    execute(
        db.pool(),
        "CREATE TABLE orders (n int); GRANT SELECT ON orders TO metricd_reader; \
         CREATE TABLE secrets (n int); INSERT INTO secrets VALUES (42); CREATE SEQUENCE counter; \
         CREATE VIEW secret_view WITH (security_barrier) AS SELECT * FROM secrets",
    )
    .await;
    let all = "SELECT (SELECT count(*) FROM metrics) + (SELECT count(*) FROM orders) + \
               (SELECT last_value FROM counter)";
    let before = number(db.pool(), all).await;
    refused_for_want_of_a_right(&server, &HOSTILE).await;
    assert_eq!(number(db.pool(), all).await, before);
}

/// The statements of the gate's own corpus that it shares with the role.
#[tokio::test(flavor = "multi_thread")]
async fn the_role_stops_its_part_of_what_the_gate_refuses() {
    let (server, db) = start().await;
    execute(db.pool(), "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)").await;
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/hostile.sql");
    let corpus = std::fs::read_to_string(corpus).unwrap();
    let marked = corpus.split("\n\n").filter_map(|block| {
        let (words, statement) = block.split_once('\n')?;
        words.contains("[reader]").then_some(statement).filter(|_| words.starts_with("-- "))
    });
    let marked: Vec<&str> = marked.filter(|statement| !statement.starts_with("--")).collect();
    assert!(marked.len() >= 50, "{} statements are marked", marked.len());
    refused_for_want_of_a_right(&server, &marked).await;
    assert_eq!(number(db.pool(), "SELECT count(*) FROM orders").await, 1);
}

/// Nothing that a session is told makes it another's.
#[tokio::test(flavor = "multi_thread")]
async fn no_setting_is_a_way_out() {
    let (server, db) = start().await;
    execute(db.pool(), "CREATE TABLE secrets (n int)").await;
    let url = server.url_of("metricd_reader", "postgres");
    let mut reader = PgConnection::connect(&url).await.unwrap();
    for harmless in [
        "RESET ROLE",
        "SET ROLE none",
        "RESET SESSION AUTHORIZATION",
        "RESET ALL",
        "DISCARD ALL",
        "SET default_transaction_read_only = off",
        "SELECT set_config('role', 'none', false)",
        "SELECT set_config('search_path', 'metricd', false)",
        "SELECT set_config('row_security', 'off', false)",
        "SELECT set_config('session_replication_role', 'replica', false)",
        "SELECT set_config('statement_timeout', '0', false)",
    ] {
        let _ = sqlx::raw_sql(harmless).execute(&mut reader).await;
        for closed in
            ["TABLE public.secrets", "TABLE metricd.queries", "DELETE FROM public.metrics"]
        {
            let refused = sqlx::raw_sql(closed).execute(&mut reader).await.unwrap_err();
            let code = refused.as_database_error().and_then(|e| e.code().map(Cow::into_owned));
            assert!(
                matches!(code.as_deref(), Some("42501" | "25006")),
                "{harmless}, {closed}: {refused}"
            );
        }
    }
}
