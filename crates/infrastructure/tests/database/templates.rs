//! A template that runs with its own defaults gives what its author's SQL gives as it was written:
//! the same rows under the same names, for every query of the corpus and of the sample.

use std::{fs, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
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
    let server = NativeServer::start();
    let db = connect(Target::Url(server.url().into())).await;
    db.migrate().await.unwrap();
    fill(&db, Engine::Native).await;
    let runner = db.runner();
    let queries: Vec<_> = files(Path::new(CORPUS)).into_iter().chain(sample()).collect();
    assert!(queries.len() >= 200, "{} queries are too few", queries.len());
    for (name, sql) in queries {
        let compiled = compile(&Actor::operator(), &context(&db), &sql).await;
        let compiled = compiled.unwrap_or_else(|error| panic!("{name}: {error}"));
        // Around midnight, both are asked again.
        let (answered, printed) = loop {
            let before = now(&db).await;
            let request = ParameterRequest::default();
            let answered = answer(runner.as_ref(), &compiled, &request, before).await.unwrap();
            let written = sql.trim_end().trim_end_matches(';');
            let printed = server.psql(&format!(
                "SELECT row_to_json(written.*)::text FROM (\n{written}\n) AS written"
            ));
            if now(&db).await.date_naive() == before.date_naive() {
                break (answered.json, printed);
            }
        };
        // A row is a line: JSON has no line breaks of its own.
        let rows: Vec<&str> = printed.lines().collect();
        assert_eq!(answered, format!("[{}]", rows.join(",")), "{name}: {}", compiled.0.sql);
    }
    db.close().await;
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
    let session = runner.session(SessionNeeds { timezone, relations }).await?;
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
    on_each_engine_migrated(async |db, engine| {
        fill(db, engine).await;
        let runner = db.runner();
        let mut dependent = 0;
        for (at, (name, sql)) in files(Path::new(CORPUS)).into_iter().chain(sample()).enumerate() {
            let compiled = compile(&Actor::operator(), &context(db), &sql).await;
            let compiled = compiled.unwrap_or_else(|error| panic!("{name}: {error}"));
            if matches!(compiled.1.times.zone, ZoneDependence::Timestamps | ZoneDependence::Records)
            {
                continue;
            }
            dependent += usize::from(compiled.1.times.zone == ZoneDependence::Caller);
            // The embedded engine is slower: each query has some of them there.
            let zones = ZONES
                .iter()
                .enumerate()
                .filter(|(number, _)| engine == Engine::Native || number % 5 == at % 5);
            for (_, zone) in zones {
                let timezone: Tz = zone.parse().unwrap();
                let window = WindowRequest { timezone: Some(timezone), ..WindowRequest::default() };
                let request = ParameterRequest { window };
                let (answered, written) = loop {
                    let before = now(db).await;
                    let answered = answer(runner.as_ref(), &compiled, &request, before).await;
                    let needs = SessionNeeds { timezone, relations: None };
                    let session = runner.session(needs).await.unwrap();
                    let written = as_written(session.as_ref(), &sql).await;
                    let day = |now: DateTime<Tz>| now.with_timezone(&timezone).date_naive();
                    if day(now(db).await) == day(before) {
                        break (answered.unwrap().json, written);
                    }
                };
                assert_eq!(answered, written, "{name} in {zone} on {engine:?}: {}", compiled.0.sql);
            }
        }
        assert!(dependent >= 20, "only {dependent} queries depend on the zone");
    })
    .await;
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
