//! A template that runs with its own defaults gives what its author's SQL gives as it was written:
//! the same rows under the same names, for every query of the corpus and of the sample.

use std::{fs, path::Path, sync::Arc};

use chrono::{DateTime, NaiveDate, Timelike as _, Utc};
use chrono_tz::Tz;
use metricd_application::{
    compile::compile,
    ports::{QueryRunner, Rows, RunError, SessionNeeds, TemplateDescription},
};
use metricd_core::{
    actor::Actor,
    claim::Scope,
    parameters::{ParameterRequest, Parameters},
    sql::{Template, ZoneDependence},
    window::{DateDefault, SessionZone, Slots, WindowRequest},
};
use metricd_infrastructure::{
    db::{Database, Target},
    loaders::load_queries,
};

use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use crate::support::*;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/corpus");
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample/queries.csv");
const MAX_ROWS: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_template_with_its_defaults_gives_what_was_written() {
    on_each_engine_migrated(async |db, engine| {
        fill(db, engine).await;
        let queries: Vec<(String, String)> =
            files(Path::new(CORPUS)).into_iter().chain(sample()).collect();
        assert!(queries.len() >= 200, "{} queries are too few", queries.len());
        for (name, sql) in queries {
            compare(db, engine, &name, &sql).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_gives_what_psql_prints() {
    with_psql(async |db, server| {
        let queries = compiled(db, written()).await;
        assert!(queries.len() >= 200, "{} queries are too few", queries.len());
        compare_in(db, &Author::Psql(server), Tz::UTC, &queries).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_with_placeholders_runs_for_any_window() {
    on_each_engine_migrated(async |db, engine| {
        fill(db, engine).await;
        let runner = db.runner();
        let requests = [
            WindowRequest::default(),
            WindowRequest {
                start_date: Some(day("2024-12-01")),
                end_date: Some(day("2025-07-31")),
                day_range: Some(400),
                timezone: Some("America/St_Johns".parse().unwrap()),
            },
        ]
        .map(|window| ParameterRequest { window });
        for (name, sql) in files(&Path::new(CORPUS).join("placeholders")) {
            let compiled = compile(&Actor::operator(), &context(db), &sql)
                .await
                .unwrap_or_else(|error| panic!("{name} on {engine:?}: {error}"));
            for request in &requests {
                let rows = answer(runner.as_ref(), &compiled, request, now(db).await).await;
                rows.unwrap_or_else(|error| panic!("{name} on {engine:?}: {error:?}"));
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_relative_to_today_is_the_day_of_postgresql() {
    let defaults = [
        "CURRENT_DATE",
        "CURRENT_DATE - 1",
        "CURRENT_DATE + 40",
        "CAST(CURRENT_DATE - INTERVAL '1 month' AS date)",
        "CAST(CURRENT_DATE - INTERVAL '13 months' AS date)",
        "CAST(CURRENT_DATE + INTERVAL '1 month' - INTERVAL '3 days' AS date)",
        "CAST(CURRENT_DATE - INTERVAL '2 years' AS date)",
        "(CURRENT_DATE::timestamp - INTERVAL '2 weeks')::date - 1",
        "date_trunc('day', CURRENT_DATE)::date",
        "date_trunc('week', CURRENT_DATE)::date",
        "CAST(date_trunc('week', CURRENT_DATE) - INTERVAL '1 week' AS date)",
        "CAST(date_trunc('week', CURRENT_DATE) - INTERVAL '1 month' AS date)",
        "CAST(date_trunc('month', CURRENT_DATE) + INTERVAL '1 month' AS date) - 1",
        "CAST(date_trunc('quarter', CURRENT_DATE) - INTERVAL '3 months' AS date)",
        "CAST(date_trunc('quarter', CURRENT_DATE) + INTERVAL '1 year' - INTERVAL '1 month' AS date)",
        "CAST(date_trunc('year', CURRENT_DATE) + INTERVAL '1 year' AS date) - 1",
    ];
    on_each_engine_migrated(async |db, engine| {
        for default in defaults {
            let sql = format!("SELECT 1 AS n FROM metrics WHERE date >= coalesce(:start_date, {default})");
            let (template, _) = compile(&Actor::operator(), &context(db), &sql).await.unwrap();
            let Some(DateDefault::Relative(day)) = template.slots.start_date else {
                panic!("{default} is {:?}", template.slots.start_date);
            };
            // Two leap years, one of them of a century, and everything between.
            let told = format!(
                "SELECT today::text, ({})::text FROM generate_series(DATE '1999-12-01', '2004-03-31', '1 day') \
                    AS days (today)",
                default.replace("CURRENT_DATE", "CAST(today AS date)")
            );
            let days: Vec<(String, String)> =
                sqlx::query_as(AssertSqlSafe(told)).fetch_all(db.pool()).await.unwrap();
            assert!(days.len() > 1_500);
            for (today, expected) in days {
                let today = today.get(..10).unwrap().parse().unwrap();
                assert_eq!(day.on(today).to_string(), expected, "{default} on {today}, {engine:?}");
            }
        }
    })
    .await;
}

/// The scope of a caller whom a template without claims asks for nothing.
fn unknown_caller(template: &Template) -> Scope {
    Actor::operator().scope(&template.claims).unwrap()
}

async fn compare(db: &Database, engine: Engine, name: &str, sql: &str) {
    let runner = db.runner();
    let compiled = compile(&Actor::operator(), &context(db), sql)
        .await
        .unwrap_or_else(|error| panic!("{name} on {engine:?}: {error}"));
    // The two runs must see the same day: around midnight, they are made again.
    let (answered, written) = loop {
        let before = now(db).await;
        let request = ParameterRequest::default();
        let answered = answer(runner.as_ref(), &compiled, &request, before).await.unwrap();
        let written = as_written(runner.as_ref(), sql).await;
        if now(db).await.date_naive() == before.date_naive() {
            break (answered.json, written);
        }
    };
    assert_eq!(answered, written, "{name} on {engine:?}: {}", compiled.0.sql);
    let described = runner.describe(sql).await.unwrap().columns;
    assert_eq!(compiled.1.columns, described, "{name} on {engine:?}");
}

/// The rows that a caller gets, as the read path asks for them.
async fn answer(
    runner: &dyn QueryRunner,
    (template, description): &(Template, TemplateDescription),
    request: &ParameterRequest,
    now: DateTime<Tz>,
) -> Result<Rows, RunError> {
    let session_zone = match description.times.zone {
        ZoneDependence::Independent => SessionZone::Any,
        ZoneDependence::Caller => SessionZone::Caller,
        ZoneDependence::Timestamps | ZoneDependence::Records => SessionZone::Fixed(Tz::UTC),
    };
    let slots = Slots { session_zone, ..template.slots };
    let parameters = Parameters::resolve(&slots, request, now).unwrap();
    let values = template.bind(&parameters, &unknown_caller(template)).unwrap();
    let timezone = parameters.window.session_timezone;
    let relations = Some(Arc::clone(&description.relations));
    let session =
        runner.session(SessionNeeds { timezone, relations, ..SessionNeeds::default() }).await?;
    session.run(template, &values, MAX_ROWS).await
}

/// Zones with daylight-saving time in either half of the year, at the ends of the world, and with odd offsets.
const ZONES: [&str; 20] = [
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Lisbon",
    "America/New_York",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Adelaide",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Pacific/Marquesas",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_template_gives_what_psql_prints_in_any_zone() {
    with_psql(async |db, server| {
        let queries = of_instants(compiled(db, written()).await);
        for zone in ZONES {
            compare_in(db, &Author::Psql(server), zone.parse().unwrap(), &queries).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_gives_what_was_written_in_any_zone() {
    let dir = TempDir::new().unwrap();
    let db = connect(embedded(dir.path())).await;
    db.migrate().await.unwrap();
    fill(&db, Engine::Embedded).await;
    fill_recent(&db).await;
    let queries = of_instants(compiled(&db, written()).await);
    for (number, zone) in ZONES.iter().enumerate() {
        // It is slower: each query has some of the zones.
        let some = queries.iter().enumerate().filter(|(at, _)| number % 5 == at % 5);
        let some: Vec<_> = some.map(|(_, query)| query.clone()).collect();
        compare_in(&db, &Author::Session, zone.parse().unwrap(), &some).await;
    }
    db.close().await;
}

/// Queries of the built-in table, and of another one with wall times, over what is recent.
const OF_WALL_TIMES: [&str; 8] = [
    "SELECT date::date AS day, count(*) AS n FROM metrics GROUP BY 1 ORDER BY 1",
    "SELECT count(*) AS n FROM metrics WHERE date >= CURRENT_DATE",
    "SELECT count(*) AS n FROM metrics WHERE date >= now() - interval '24 hours'",
    "SELECT max(date)::timestamptz AS last, extract(timezone FROM max(date)::timestamptz) AS zone FROM metrics",
    "SELECT extract(hour FROM date) AS hour, count(*) AS n FROM metrics \
     WHERE date >= CURRENT_DATE - 1 AND date < CURRENT_DATE GROUP BY 1 ORDER BY 1",
    "SELECT CURRENT_DATE AS today, count(*) FILTER (WHERE date::date = CURRENT_DATE) AS n FROM metrics",
    "SELECT date_trunc('day', date) AS day, count(*) AS n FROM metrics \
     WHERE date BETWEEN '2025-06-01' AND '2025-06-30' GROUP BY 1 ORDER BY 1",
    "SELECT count(*) AS n FROM orders WHERE ordered_at >= now() - interval '24 hours'",
];

#[tokio::test(flavor = "multi_thread")]
async fn wall_times_give_what_psql_prints_in_utc_on_the_callers_day() {
    const OTHER_CLOCKS: [&str; 6] =
        ["now", "today", "yesterday", "tomorrow", "local", "timestamp("];
    with_psql(async |db, server| {
        let own = OF_WALL_TIMES.map(|sql| (sql.to_owned(), sql.to_owned()));
        let own = compiled(db, own.into()).await;
        let mut queries = compiled(db, written()).await;
        let text = |query: &Query| query.sql.to_lowercase();
        queries.retain(|query| !OTHER_CLOCKS.iter().any(|word| text(query).contains(word)));
        queries.extend(own);
        let zone = |query: &Query| query.description.times.zone;
        queries.retain(|query| {
            matches!(zone(query), ZoneDependence::Timestamps | ZoneDependence::Records)
        });
        let of_records = queries.iter().filter(|query| zone(query) == ZoneDependence::Records);
        assert!(of_records.count() >= 15, "too few queries read the records");
        for zone in ZONES {
            compare_in(db, &Author::PsqlInUtc(server), zone.parse().unwrap(), &queries).await;
        }
    })
    .await;
}

/// A query as its author wrote it, and what was made of it.
#[derive(Clone)]
struct Query {
    name: String,
    sql: String,
    template: Template,
    description: TemplateDescription,
}

/// What gives the rows that an author expects.
enum Author<'a> {
    /// `psql` in the caller's zone.
    Psql(&'a NativeServer),
    /// `psql` in UTC, where today is the caller's.
    PsqlInUtc(&'a NativeServer),
    /// A session of metricd's in the caller's zone: the embedded engine has no other client.
    Session,
}

impl Author<'_> {
    async fn rows(
        &self,
        db: &Database,
        timezone: Tz,
        today: NaiveDate,
        queries: &[Query],
    ) -> Vec<String> {
        let (server, zone) = match self {
            Self::Psql(server) => (server, timezone.name()),
            Self::PsqlInUtc(server) => (server, "UTC"),
            Self::Session => {
                let needs = SessionNeeds { timezone, ..SessionNeeds::default() };
                let session = db.runner().session(needs).await.unwrap();
                let mut rows = Vec::new();
                for query in queries {
                    rows.push(as_written(session.as_ref(), &query.sql).await);
                }
                return rows;
            }
        };
        let day = format!("DATE '{today}'");
        let statement = |query: &Query| {
            let written = query.sql.trim_end().trim_end_matches(';');
            let written = match self {
                Self::PsqlInUtc(_) => {
                    written.replace("CURRENT_DATE", &day).replace("current_date", &day)
                }
                _ => written.to_owned(),
            };
            format!("SELECT row_to_json(written.*)::text FROM (\n{written}\n) AS written")
        };
        let printed = server.psql_in(zone, &queries.iter().map(statement).collect::<Vec<_>>());
        // A row is a line: JSON has no line breaks of its own.
        let rows = |printed: String| format!("[{}]", printed.lines().collect::<Vec<_>>().join(","));
        printed.into_iter().map(rows).collect()
    }
}

/// Runs `test` on a server with the corpus' tables.
async fn with_psql(test: impl AsyncFn(&Database, &NativeServer)) {
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    fill(&db, Engine::Native).await;
    fill_recent(&db).await;
    test(&db, &server).await;
    db.close().await;
}

/// Every query of the corpus and of the sample, by name.
fn written() -> Vec<(String, String)> {
    files(Path::new(CORPUS)).into_iter().chain(sample()).collect()
}

async fn compiled(db: &Database, written: Vec<(String, String)>) -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, sql) in written {
        let compiled = compile(&Actor::operator(), &context(db), &sql).await;
        let (template, description) = compiled.unwrap_or_else(|error| panic!("{name}: {error}"));
        queries.push(Query { name, sql, template, description });
    }
    queries
}

/// The queries that read no wall times, some of which depend on the zone.
fn of_instants(mut queries: Vec<Query>) -> Vec<Query> {
    queries.retain(|query| {
        matches!(query.description.times.zone, ZoneDependence::Independent | ZoneDependence::Caller)
    });
    let dependent = queries
        .iter()
        .filter(|query| query.description.times.zone == ZoneDependence::Caller)
        .count();
    assert!(dependent >= 20, "only {dependent} queries depend on the zone");
    queries
}

/// Asks for each query in a zone, and compares the rows with the author's.
async fn compare_in(db: &Database, author: &Author<'_>, timezone: Tz, queries: &[Query]) {
    let runner = db.runner();
    let window = WindowRequest { timezone: Some(timezone), ..WindowRequest::default() };
    let request = ParameterRequest { window };
    // Rows are recent by whole hours. Around the end of one, or of the caller's day, both are asked again.
    let (answered, expected) = loop {
        let now = async || now(db).await.with_timezone(&timezone);
        let moment = |now: DateTime<Tz>| (now.date_naive(), now.with_timezone(&Utc).hour());
        let before = now().await;
        let mut answered = Vec::new();
        for Query { template, description, name, .. } in queries {
            let compiled = (template.clone(), description.clone());
            let rows = answer(runner.as_ref(), &compiled, &request, before).await;
            answered
                .push(rows.unwrap_or_else(|error| panic!("{name} in {timezone}: {error}")).json);
        }
        let expected = author.rows(db, timezone, before.date_naive(), queries).await;
        if moment(now().await) == moment(before) {
            break (answered, expected);
        }
    };
    assert_eq!(expected.len(), queries.len());
    for (query, (answered, expected)) in queries.iter().zip(answered.iter().zip(&expected)) {
        let Query { name, template, .. } = query;
        assert_eq!(answered, expected, "{name} in {timezone}: {}", template.sql);
    }
}

/// The rows of the author's own text.
async fn as_written(runner: &dyn QueryRunner, sql: &str) -> String {
    let statement = sql.trim_end().trim_end_matches(';');
    runner.run(&template(statement), &[], MAX_ROWS).await.unwrap().json
}

/// The corpus' tables, which stored SQL may read.
async fn fill(db: &Database, engine: Engine) {
    let schema = fs::read_to_string(Path::new(CORPUS).join("schema.sql")).unwrap();
    execute(db.pool(), &schema).await;
    if engine == Engine::Native {
        let grants = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO metricd_reader";
        execute(db.pool(), grants).await;
    }
}

/// Adds a row for each of the last 75 hours to the tables with times.
async fn fill_recent(db: &Database) {
    let ids: Vec<String> = sample().into_iter().map(|(id, _)| format!("('{id}')")).collect();
    let rows = format!(
        "CREATE TEMPORARY TABLE recent AS SELECT n, date_trunc('hour', now()) - n * interval '1 hour' AS moment \
            FROM generate_series(0, 74) AS n;
         INSERT INTO events SELECT 1000 + n, n % 40 + 1, moment, (ARRAY['view', 'click', 'buy'])[n % 3 + 1], \
            n * interval '1 minute', jsonb_build_object('n', n), (moment AT TIME ZONE 'UTC')::date FROM recent;
         INSERT INTO orders SELECT 2000 + n, n % 40 + 1, moment AT TIME ZONE 'UTC', NULL, moment, 'open', \
            n + 0.01 * n, to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD'), ARRAY['t1'] FROM recent;
         INSERT INTO metrics SELECT md5('recent ' || n || id)::uuid, id, moment AT TIME ZONE 'UTC', n * 1.25, \
            n * 0.5, n % 7, 'Email', 'Need approval' \
            FROM recent, (VALUES ('query-0'), ('query-1'), ('query-2'), {}) AS ids (id);
         DROP TABLE recent",
        ids.join(", ")
    );
    execute(db.pool(), &rows).await;
}

async fn now(db: &Database) -> DateTime<Tz> {
    let now = sqlx::query_scalar::<_, DateTime<Utc>>("SELECT now()").fetch_one(db.pool()).await;
    now.unwrap().with_timezone(&Tz::UTC)
}

/// The queries of a folder: `NN-name.sql`, apart from what sets the tables up.
fn files(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()))
        .filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_digit()))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no queries", dir.display());
    files
}

fn sample() -> Vec<(String, String)> {
    let loaded = load_queries(Path::new(SAMPLE));
    loaded.rows.into_iter().map(|row| (row.id.to_string(), row.sql)).collect()
}
