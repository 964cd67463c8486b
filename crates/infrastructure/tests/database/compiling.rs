//! What only the database knows of a query before it is stored: what `x.f` calls, and what a query with
//! claims costs.

use std::{sync::Arc, time::Duration};

use metricd_application::{
    admission::Admission,
    bind::ReadError,
    compile::{CompileError, compile},
    context::Context,
    metrics::{AnswerRequest, get_metric},
    ports::RunError,
};
use metricd_core::{
    actor::Actor,
    claim::ClaimName,
    ids::MetricId,
    sql::{Gate, GateExtension},
};
use metricd_infrastructure::db::{Database, DatabaseConfig, Target};
use tempfile::TempDir;

use crate::support::*;

const PLANTED: &str = r#"
    CREATE SCHEMA app;
    CREATE TYPE status AS ENUM ('open', 'paid');
    CREATE TYPE item AS (sku text, price numeric);
    CREATE TABLE orders (id int, customer text, total numeric, status status, lines item[]);
    CREATE VIEW big AS SELECT * FROM orders;
    INSERT INTO orders VALUES (1, 'Ann', 2.5, 'paid', '{"(a,1.5)"}');
    CREATE FUNCTION http_get(text) RETURNS text LANGUAGE sql AS $$SELECT 'got ' || $1$$;
    CREATE FUNCTION delete_customer(int) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION wipe(orders) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION anyone(anyelement) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION of_big(big) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION with_default(int, int DEFAULT 1) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION all_default(int DEFAULT 1, int DEFAULT 1) RETURNS text LANGUAGE sql
        AS $$SELECT 'gone'$$;
    CREATE FUNCTION many(VARIADIC int[]) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION "Odd Name"(int) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION app.elsewhere(int) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION id(orders) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION total(int) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE FUNCTION two(int, int) RETURNS text LANGUAGE sql AS $$SELECT 'gone'$$;
    CREATE AGGREGATE collected(text) (SFUNC = textcat, STYPE = text);
    CREATE FUNCTION is_fine(text) RETURNS boolean LANGUAGE sql AS $$SELECT true$$;
    CREATE DOMAIN checked AS text CHECK (is_fine(VALUE));
"#;

async fn plant(db: &Database, engine: Engine) {
    execute(db.pool(), PLANTED).await;
    if engine == Engine::Native {
        let granted = "GRANT SELECT ON orders, big TO metricd_reader; \
                       GRANT USAGE ON SCHEMA app TO metricd_reader";
        execute(db.pool(), granted).await;
    }
}

fn gated(db: &Database, functions: &[&str], types: &[&str]) -> Context {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let extension = GateExtension {
        functions: names(functions),
        types: names(types),
        ..GateExtension::default()
    };
    let gate = Arc::new(Gate::extended(&extension).unwrap());
    context_admitting(db, Admission::new(gate, f64::INFINITY, 0.0))
}

async fn refusal(context: &Context, sql: &str) -> Option<String> {
    match compile(&Actor::operator(), context, sql).await {
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn a_dot_calls_nothing_that_is_not_listed() {
    let hostile = [
        ("SELECT q.http_get AS a FROM (SELECT 'x'::text AS u) q", "public.http_get()"),
        ("SELECT o.customer, (o.customer).http_get AS a FROM orders o", "public.http_get()"),
        ("SELECT (customer).http_get AS a FROM orders", "public.http_get()"),
        ("SELECT (id).delete_customer AS a FROM orders", "public.delete_customer()"),
        ("SELECT (o.id).\"delete_customer\" AS a FROM orders o", "public.delete_customer()"),
        ("SELECT (o.id).U&\"delete\\005Fcustomer\" AS a FROM orders o", "public.delete_customer()"),
        ("SELECT (o.id).DELETE_customer AS a FROM orders o", "public.delete_customer()"),
        ("SELECT (o.id).\"Odd Name\" AS a FROM orders o", "public.Odd Name()"),
        ("SELECT o.wipe AS a FROM orders o", "public.wipe()"),
        ("SELECT (o).wipe AS a FROM orders o", "public.wipe()"),
        ("SELECT orders.wipe AS a FROM orders", "public.wipe()"),
        ("SELECT public.orders.wipe AS a FROM public.orders", "public.wipe()"),
        ("SELECT (q.r).wipe AS a FROM (SELECT o AS r FROM orders o) q", "public.wipe()"),
        ("SELECT (ROW(1, 2)).anyone AS a", "public.anyone()"),
        ("SELECT (o.lines[1]).anyone AS a FROM orders o", "public.anyone()"),
        ("SELECT ((o.lines[1]).sku).http_get AS a FROM orders o", "public.http_get()"),
        ("SELECT b.of_big AS a FROM big b", "public.of_big()"),
        ("SELECT (o.id).with_default AS a FROM orders o", "public.with_default()"),
        ("SELECT (o.id).all_default AS a FROM orders o", "public.all_default()"),
        ("SELECT (o.id).many AS a FROM orders o", "public.many()"),
        ("SELECT (o.id).elsewhere AS a FROM orders o", "app.elsewhere()"),
        ("SELECT (o.customer).collected AS a FROM orders o", "public.collected()"),
        ("SELECT (o.customer).checked AS a FROM orders o", "public.checked"),
        ("SELECT 1 AS a FROM orders o WHERE (o.id).delete_customer IS NULL", "delete_customer()"),
        ("SELECT 1 AS a FROM orders o ORDER BY (o.id).delete_customer", "delete_customer()"),
        ("SELECT count(*) FILTER (WHERE o.wipe = '') AS a FROM orders o", "public.wipe()"),
        (
            "WITH q AS (SELECT id FROM orders) SELECT (q.id).delete_customer AS a FROM q",
            "_customer()",
        ),
        ("SELECT a.n FROM orders o, LATERAL (SELECT o.wipe AS n) a", "public.wipe()"),
        // The name of a column of another table, of another alias and of a type that has none.
        ("SELECT (o.id).total AS a FROM orders o", "public.total()"),
        ("SELECT q.total AS a FROM (SELECT 1 AS n) q, orders o", "public.total()"),
        (
            "SELECT o.total AS a, (SELECT o.total FROM (SELECT 1 AS n) o) AS b FROM orders o",
            "total()",
        ),
        // What PostgreSQL has and no list names.
        ("SELECT (o.id).int4out AS a FROM orders o", "int4out()"),
        ("SELECT (o.customer).textout AS a FROM orders o", "textout()"),
    ];
    let legitimate = [
        "SELECT o.id, o.total, o.status FROM orders o",
        "SELECT public.orders.id, orders.total FROM public.orders",
        "SELECT b.total, b.status FROM big b",
        "SELECT q.total FROM (SELECT o.total FROM orders o) q",
        "WITH q AS (SELECT total, status FROM orders) SELECT q.total, q.status FROM q",
        "SELECT a.id, b.total FROM orders a JOIN orders b ON a.id = b.id ORDER BY b.total",
        "SELECT q.status, q.two FROM (SELECT *, 1 AS two FROM orders) q",
        "SELECT (o.lines[1]).price AS p, (o.lines[1]).sku AS s FROM orders o",
        "SELECT e.value, e.key FROM orders o, json_each(row_to_json(o)) e",
        "SELECT d.d FROM generate_series(1, 3) d",
    ];
    on_each_engine_migrated(async |db, engine| {
        plant(db, engine).await;
        let context = gated(db, &[], &[]);
        for (sql, named) in hostile {
            let refusal = refusal(&context, sql).await.unwrap_or_else(|| panic!("accepted: {sql}"));
            let is_told = refusal.starts_with("line 1, column ")
                && refusal.contains(named)
                && refusal.contains("in the settings");
            assert!(is_told, "{engine:?}: {refusal}\n{sql}");
        }
        for sql in legitimate {
            assert_eq!(refusal(&context, sql).await, None, "{engine:?}: {sql}");
        }

        let functions = ["http_get", "app.elsewhere", "delete_customer", "app.total"];
        let context = gated(db, &functions, &["checked"]);
        for sql in [
            "SELECT (o.customer).http_get AS a FROM orders o",
            "SELECT (o.id).delete_customer AS a FROM orders o",
            "SELECT (o.customer).checked AS a FROM orders o",
        ] {
            assert_eq!(refusal(&context, sql).await, None, "{engine:?}: {sql}");
        }
        for sql in ["SELECT o.wipe AS a FROM orders o", "SELECT (o.id).total AS a FROM orders o"] {
            assert!(refusal(&context, sql).await.is_some(), "{engine:?}: {sql}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_may_have_the_name_of_a_refused_function_where_it_is_one() {
    on_each_engine_migrated(async |db, engine| {
        execute(
            db.pool(),
            "CREATE TABLE movies (pg_rating text, pg_sleep int, pg_column_size int); \
             CREATE TABLE orders (id int); CREATE TABLE shadows (m text)",
        )
        .await;
        if engine == Engine::Native {
            execute(db.pool(), "GRANT SELECT ON movies, orders, shadows TO metricd_reader").await;
        }
        let context = gated(db, &[], &[]);
        for sql in [
            "SELECT m.pg_rating, count(*) AS n FROM movies m GROUP BY 1",
            "SELECT m.pg_sleep, m.pg_column_size FROM movies m",
            "SELECT public.movies.pg_column_size FROM public.movies ORDER BY movies.pg_rating",
            "SELECT q.pg_column_size FROM (SELECT m.pg_column_size FROM movies m) q",
            "SELECT (m).pg_rating, (m).pg_column_size FROM movies m, orders",
            "SELECT (movies).pg_sleep FROM movies WHERE EXISTS (SELECT (movies).pg_rating FROM orders)",
            "SELECT q.pg_rating, q.pg_column_size FROM (SELECT * FROM movies, orders) q",
            "SELECT q.pg_column_size FROM (SELECT o.*, m.* FROM orders o LEFT JOIN movies m ON true) q",
            "WITH q AS (SELECT * FROM generate_series(1, 2) g, movies) SELECT q.pg_column_size FROM q",
        ] {
            assert_eq!(refusal(&context, sql).await, None, "{engine:?}: {sql}");
        }
        for sql in [
            "SELECT orders.pg_column_size AS a FROM orders",
            "SELECT public.orders.pg_column_size AS a FROM public.orders",
            "SELECT 1 AS a FROM orders ORDER BY orders.pg_column_size",
            "SELECT m.pg_column_size, (SELECT m.pg_column_size FROM orders m) AS b FROM movies m",
            "SELECT (orders).pg_column_size AS a FROM orders",
            "SELECT (m).pg_column_size, (SELECT (m).pg_column_size FROM orders m) AS b FROM movies m",
            "SELECT q.pg_column_size AS a FROM (SELECT * FROM orders, shadows) q",
            "SELECT q.pg_column_size AS a FROM (SELECT o.* FROM orders o, movies m) q",
            // The column of that name is meant, not the row.
            "SELECT (m).pg_column_size AS a FROM movies m, shadows",
            "SELECT (SELECT (m).pg_column_size FROM shadows) AS a FROM movies m",
        ] {
            let refusal = refusal(&context, sql).await.unwrap_or_else(|| panic!("accepted: {sql}"));
            let is_told = refusal.starts_with("line 1, column ")
                && refusal.contains("it calls the function pg_column_size(), which can never be");
            assert!(is_told, "{engine:?}: {refusal}\n{sql}");
        }
        let missing = refusal(&context, "SELECT o.pg_rating FROM orders o").await.unwrap();
        assert!(missing.contains("column o.pg_rating does not exist"), "{missing}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_with_claims_has_its_cost_too() {
    let tenant = ClaimName::parse("tenant").unwrap();
    on_each_engine_migrated(async |db, engine| {
        execute(
            db.pool(),
            "CREATE TABLE sales (tenant text, n int); \
             INSERT INTO sales SELECT 'tenant ' || g % 10, g FROM generate_series(1, 20000) g; \
             CREATE INDEX ON sales (n); ANALYZE sales",
        )
        .await;
        if engine == Engine::Native {
            execute(db.pool(), "GRANT SELECT ON sales TO metricd_reader").await;
        }
        let context = Context {
            claims: Arc::new([tenant.clone()].into()),
            ..context_admitting(db, Admission::new(Arc::default(), 10_000.0, 0.0))
        };
        // The operator has no claims: these are costed without a known claim.
        let dear = [
            "SELECT count(*) AS n FROM sales a, sales b WHERE a.tenant = :claim_tenant",
            "SELECT count(*) AS n FROM sales a, sales b WHERE a.tenant = :claim_tenant \
             AND b.tenant = :claim_tenant",
            "SELECT :claim_tenant AS t, count(*) AS n FROM sales a, sales b GROUP BY :claim_tenant",
            "SELECT count(*) AS n FROM sales a, sales b WHERE a.n > :claim_tenant::int",
        ];
        for sql in dear {
            let compiled = compile(&Actor::operator(), &context, sql).await;
            let Err(CompileError::Database(RunError::TooExpensive { cost, has_days, .. })) =
                compiled
            else {
                panic!("{engine:?}: {compiled:?}\n{sql}")
            };
            assert!(cost > 10_000.0 && !has_days, "{engine:?}: {cost}");
        }
        let cheap = [
            "SELECT count(*) AS n FROM sales WHERE tenant = :claim_tenant",
            "SELECT tenant, n FROM sales WHERE n = :claim_tenant::int",
            "SELECT :claim_tenant AS t, count(*) AS n FROM sales GROUP BY 1",
            "SELECT count(*) AS n FROM sales WHERE tenant = :claim_tenant AND n > :day_range \
             GROUP BY :claim_tenant, date_trunc('day', :start_date::timestamp) LIMIT 5",
            "SELECT n FROM sales WHERE tenant = ANY (string_to_array(:claim_tenant, ',')) \
             LIMIT :claim_tenant::int",
        ];
        for sql in cheap {
            let compiled = compile(&Actor::operator(), &context, sql).await;
            assert!(compiled.is_ok(), "{engine:?}: {compiled:?}\n{sql}");
        }
    })
    .await;
}

/// The database as a start with these settings finds it.
async fn started(target: Target, extension: &GateExtension) -> (Database, Context) {
    let gate = Arc::new(Gate::extended(extension).unwrap());
    let config = DatabaseConfig { gate: Arc::clone(&gate), ..DatabaseConfig::new(target) };
    let db = Database::connect(config).await.unwrap();
    db.migrate().await.unwrap();
    let context = context_admitting(&db, Admission::new(gate, f64::INFINITY, 0.0));
    (db, context)
}

/// The rows of a metric, or why it gives none, with the cause.
async fn answer(context: &Context, id: MetricId) -> Result<String, String> {
    let anew = AnswerRequest { max_age: Some(Duration::ZERO), ..AnswerRequest::default() };
    let error = match get_metric(&Actor::operator(), context, id, &anew).await {
        Ok(served) => return Ok(String::from_utf8(served.answer.rows().to_vec()).unwrap()),
        Err(ReadError::Query(failed)) => failed,
        Err(other) => panic!("{other:?}"),
    };
    Err(error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stored_query_is_checked_against_current_settings() {
    let server = NativeServer::start();
    let dir = TempDir::new().unwrap();
    for engine in [Engine::Native, Engine::Embedded] {
        let target = || match engine {
            Engine::Native => Target::Url(server.url().into()),
            Engine::Embedded => embedded(dir.path()),
        };
        let wide = GateExtension {
            tables: vec!["app.notes".into()],
            functions: vec!["delete_customer".into()],
            types: Vec::new(),
            ..GateExtension::default()
        };
        let (db, context) = started(target(), &wide).await;
        plant(&db, engine).await;
        execute(db.pool(), "CREATE TABLE app.notes (n int); INSERT INTO app.notes VALUES (7)")
            .await;
        if engine == Engine::Native {
            execute(db.pool(), "GRANT SELECT ON app.notes TO metricd_reader").await;
        }
        let plain = made(&context, "SELECT o.id FROM orders o").await;
        let calling = made(&context, "SELECT (o.id).delete_customer AS a FROM orders o").await;
        let elsewhere = made(&context, "SELECT n.n FROM app.notes n").await;
        for (id, rows) in
            [(plain, r#"[{"id":1}]"#), (calling, r#"[{"a":"gone"}]"#), (elsewhere, r#"[{"n":7}]"#)]
        {
            assert_eq!(answer(&context, id).await.as_deref(), Ok(rows), "{engine:?}");
        }
        db.close().await;

        let (db, context) = started(target(), &GateExtension::default()).await;
        assert_eq!(answer(&context, plain).await.as_deref(), Ok(r#"[{"id":1}]"#), "{engine:?}");
        let refused = answer(&context, calling).await.unwrap_err();
        assert!(refused.contains("public.delete_customer()"), "{engine:?}: {refused}");
        let read = answer(&context, elsewhere).await;
        match engine {
            // There the grants decide.
            Engine::Native => assert_eq!(read.as_deref(), Ok(r#"[{"n":7}]"#)),
            Engine::Embedded => {
                let refused = read.unwrap_err();
                assert!(refused.contains("may no longer read `app.notes`"), "{refused}");
            }
        }
        db.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expensive_query_is_tried_where_its_run_can_be_ended() {
    on_each_engine_migrated(async |db, engine| {
        let context = context(db);
        let sql = "SELECT sum(1 / (a - 1)) AS boom FROM generate_series(1, 10000) a, generate_series(1, 10000) b";
        let notes = created(&context, sql).await.notes;
        let expected = match engine {
            Engine::Native => "it failed when it was tried: division by zero (SQLSTATE 22012)",
            Engine::Embedded => "it was not tried, because the planner estimates a cost of",
        };
        assert!(notes.iter().any(|note| note.message.starts_with(expected)), "{notes:?}");
        let cheap = created(&context, "SELECT 1 / (a - 1) AS boom FROM generate_series(1, 9) a");
        let notes = cheap.await.notes;
        assert!(notes.iter().any(|note| note.message.contains("division by zero")), "{notes:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_runs_no_function_that_was_not_allowed() {
    let server = NativeServer::start();
    let (db, context) = started(Target::Url(server.url().into()), &GateExtension::default()).await;
    execute(
        db.pool(),
        "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION pg_trgm; \
         CREATE TABLE public.things (id int, name text, label citext, tags hstore, path ltree, created date); \
         INSERT INTO public.things VALUES (1, 'alpha', 'Beta', 'a=>1', 'a.b', '2025-01-01'); \
         CREATE TYPE public.pair AS (a int, b int); \
         CREATE TABLE public.odd (id int, p public.pair, other int); \
         INSERT INTO public.odd VALUES (1, (1, 2), 3); \
         CREATE FUNCTION public.evil(text, text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil'::text $$; \
         CREATE OPERATOR public.+ (LEFTARG = text, RIGHTARG = text, FUNCTION = public.evil); \
         CREATE FUNCTION public.evil_pair(public.pair, public.pair) RETURNS bool LANGUAGE sql AS $$ SELECT true $$; \
         CREATE OPERATOR public.= (LEFTARG = public.pair, RIGHTARG = public.pair, FUNCTION = public.evil_pair); \
         GRANT SELECT ON public.things, public.odd TO metricd_reader",
    )
    .await;
    // Operators of the extensions that are allowed.
    for (sql, rows) in [
        ("SELECT count(*) AS n FROM things WHERE label = 'BETA'", r#"[{"n":1}]"#),
        (
            "SELECT count(*) AS n FROM things WHERE tags @> 'a=>1' AND tags -> 'a' = '1'",
            r#"[{"n":1}]"#,
        ),
        ("SELECT count(*) AS n FROM things WHERE path <@ 'a'", r#"[{"n":1}]"#),
        ("SELECT count(*) AS n FROM things WHERE name % 'alphas' OR 'alp' <% name", r#"[{"n":1}]"#),
        // The operator of PostgreSQL itself is meant, whatever else there is.
        ("SELECT id AS n FROM odd WHERE id = 1 AND other = 3", r#"[{"n":1}]"#),
        ("SELECT 1 OPERATOR(pg_catalog.+) 1 AS n", r#"[{"n":2}]"#),
    ] {
        let id = made(&context, sql).await;
        assert_eq!(answer(&context, id).await.as_deref(), Ok(rows), "{sql}");
    }
    for sql in [
        "SELECT name + name AS n FROM things",
        "SELECT x + x AS n FROM (SELECT lower(name) AS x FROM things) t",
        "SELECT p = p AS n FROM odd",
        "SELECT o.q = o.q AS n FROM (SELECT p AS q FROM odd) o",
        "WITH o (q) AS (SELECT p FROM odd) SELECT a.q IN (SELECT b.q FROM o b) AS n FROM o a",
        "SELECT count(*) AS n FROM odd a JOIN odd b USING (p)",
        "SELECT count(*) AS n FROM odd a NATURAL JOIN odd b",
        "SELECT CASE p WHEN p THEN 1 END AS n FROM odd",
        "SELECT nullif(p, p) IS NULL AS n FROM odd",
        "SELECT p IS DISTINCT FROM p AS n FROM odd",
        "SELECT r.x = r.x AS n FROM odd AS r (y, x, z)",
    ] {
        let refused = refusal(&context, sql).await;
        assert!(
            refused.as_ref().is_some_and(|text| text.contains("sql.operators")),
            "{sql}: {refused:?}"
        );
    }
    db.close().await;

    let allowed = GateExtension {
        operators: vec!["public.+".into(), "public.=".into()],
        ..GateExtension::default()
    };
    let (db, context) = started(Target::Url(server.url().into()), &allowed).await;
    let id = made(&context, "SELECT name + name AS n FROM things").await;
    assert_eq!(answer(&context, id).await.as_deref(), Ok(r#"[{"n":"evil"}]"#));
    let refused = refusal(&context, "SELECT tags @> 'a=>1' AS n FROM things").await;
    assert!(refused.is_some_and(|text| text.contains("sql.operators = ['hstore']")));
    db.close().await;
}
