//! Loading catalogs from files into both engines.

use std::{collections::BTreeSet, path::Path, sync::Mutex};

use metricd_application::catalog::{
    CatalogFiles, Counts, Finding, ImportOptions, Progress, Report, Severity, SlotFinding, Tally,
    import, seed, validate,
};
use metricd_core::{
    actor::Actor,
    metric::MetricOrigin,
    sql::{Gate, NoteSeverity},
};
use metricd_infrastructure::{
    db::Database,
    loaders::{RecordFile, load_metrics, load_queries},
};
use tempfile::TempDir;

use crate::support::*;

const ONE: &str = "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6";
const TWO: &str = "c797b618-df12-45f7-bbb2-cc6695a48e46";

const PLAIN: ImportOptions = ImportOptions { dry_run: false, strict: false, prune: false };

async fn load(db: &Database, files: CatalogFiles, options: ImportOptions) -> Report {
    import(&Actor::operator(), &context(db), files, options, &|_| ()).await.unwrap()
}

fn sample() -> CatalogFiles {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample");
    open(
        Some(&dir.join("queries.csv")),
        Some(&dir.join("metrics.json")),
        Some(&dir.join("metric_records.json")),
    )
}

fn open(queries: Option<&Path>, metrics: Option<&Path>, records: Option<&Path>) -> CatalogFiles {
    CatalogFiles {
        queries: queries.map(load_queries),
        metrics: metrics.map(load_metrics),
        records: records.map(|path| Box::new(RecordFile::open(path)) as _),
    }
}

/// Files of a test's own; an empty text is no file.
fn files(dir: &TempDir, queries: &str, metrics: &str, records: &str) -> CatalogFiles {
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path).filter(|_| !text.is_empty())
    };
    open(
        file("queries.csv", queries).as_deref(),
        file("metrics.json", metrics).as_deref(),
        file("records.json", records).as_deref(),
    )
}

/// A file of metrics: their ids and queries.
fn items(metrics: &[(&str, &str)]) -> String {
    let items: Vec<_> = metrics
        .iter()
        .map(|(id, query)| format!(r#"{{"id": "{id}", "queryId": "{query}", "isEditable": true}}"#))
        .collect();
    format!("{{\"items\": [\n{}\n]}}", items.join(",\n"))
}

fn created(number: u64) -> Tally {
    Tally { created: number, ..Tally::default() }
}

fn unchanged(number: u64) -> Tally {
    Tally { unchanged: number, ..Tally::default() }
}

fn summary(found: &Finding) -> (Severity, Option<u64>, &str) {
    (found.severity, found.place.line, found.place.path.as_deref().unwrap_or_default())
}

#[track_caller]
fn assert_sample_findings(report: &Report) {
    let [repair, note] = report.findings.listed() else { panic!("{:#?}", report.findings) };
    assert_eq!(summary(repair), (Severity::Repair, Some(24), "$.items[4].id"));
    let becomes = "becomes `1379a764-2543-45fd-a78b-8c5a65827417`";
    assert!(repair.message.contains(becomes), "{repair:?}");
    assert_eq!(summary(note), (Severity::Note, Some(67), "$[13]"));
    assert_eq!(note.message, "equals `$[12]`, kept");
    assert!(!report.slots.is_empty());
}

async fn is_empty(db: &Database) -> bool {
    let all = "SELECT (SELECT count(*) FROM metricd.queries) \
                   + (SELECT count(*) FROM metricd.metric_configurations) + (SELECT count(*) FROM metrics)";
    number(db.pool(), all).await == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_loads_once_and_again_changes_nothing() {
    on_each_engine_migrated(async |db, _| {
        let everything = Counts {
            queries: created(5),
            metrics: created(5),
            layouts: created(10),
            records: created(15),
        };
        let dry_run = ImportOptions { dry_run: true, ..PLAIN };
        let report = load(db, sample(), dry_run).await;
        assert_eq!(report.counts, everything);
        assert!(!report.written);
        assert_sample_findings(&report);
        assert!(is_empty(db).await, "a dry run writes nothing");

        let strict = ImportOptions { strict: true, ..PLAIN };
        let report = load(db, sample(), strict).await;
        assert!(!report.written);
        assert_eq!(report.counts, Counts::default());
        assert!(is_empty(db).await, "a repair is not strict");

        let report = load(db, sample(), PLAIN).await;
        assert_eq!(report.counts, everything);
        assert!(report.written);
        assert_sample_findings(&report);

        let report = load(db, sample(), PLAIN).await;
        let nothing = Counts {
            queries: unchanged(5),
            metrics: unchanged(5),
            layouts: unchanged(10),
            records: unchanged(15),
        };
        assert_eq!(report.counts, nothing);
        assert_sample_findings(&report);
        assert_eq!(
            number(db.pool(), "SELECT count(*) FROM metrics").await,
            15,
            "equal records are all there, once"
        );

        let found = context(db)
            .catalog
            .find(metricd_core::ids::MetricId(ONE.parse().unwrap()))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            found.metric.details.name.as_str(),
            "Total obsolescence cost avoided over the last 30 days"
        );
        assert_eq!(found.metric.origin, MetricOrigin::Import);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_rejection_rolls_everything_back_and_every_fault_is_reported() {
    on_each_engine_migrated(async |db, _| {
        let dir = TempDir::new().unwrap();
        let good_queries = "id,query\na,SELECT id FROM metrics\n";
        let good_metrics = items(&[(ONE, "a")]);
        let good_record = r#"{"id": "a", "date": "2025-06-01"}"#;

        let broken = files(
            &dir,
            "id,query\na,SELECT id FROM metrics\nb,\"SELECT 1\nFROM nowhere\"\n\
             c,SELECT nothing FROM metrics\nd,DELETE FROM metrics\n",
            &items(&[(ONE, "a"), (TWO, "z")]),
            &format!("[{good_record},\n{{\"id\": \"a\"}}]"),
        );
        let report = load(db, broken, PLAIN).await;
        let found: Vec<_> = report.findings.listed().iter().map(summary).collect();
        let rejected = |line, path| (Severity::Rejection, Some(line), path);
        let expected = [
            rejected(3, ""),
            rejected(5, ""),
            rejected(6, ""),
            rejected(3, "$.items[1].queryId"),
            rejected(2, "$[1]"),
        ];
        // A query that is unused and rejected is only rejected.
        assert_eq!(found, expected, "{:#?}", report.findings);
        let [nowhere, nothing, ..] = report.findings.listed() else { unreachable!() };
        assert!(nowhere.message.contains("`nowhere`"), "{nowhere:?}");
        assert!(nothing.message.contains("\"nothing\""), "{nothing:?}");
        assert!(!report.written);
        assert_eq!(report.counts, Counts::default());
        assert!(is_empty(db).await);

        // Faults only behind the first batch: what was staged is undone.
        let mut records = vec![good_record; RecordFile::BATCH + 1];
        records.push("{}");
        let records = format!("[{}]", records.join(",\n"));
        let late = files(&dir, good_queries, &good_metrics, &records);
        let report = load(db, late, PLAIN).await;
        assert_eq!(report.findings.count(Severity::Rejection), 2);
        assert!(!report.written);
        assert!(is_empty(db).await);

        // A warning that only the store can give, with and without `strict`.
        let strange = |strict| {
            let records = format!("[{good_record},\n{{\"id\": \"y\", \"date\": \"2025-06-01\"}}]");
            let files = files(&dir, good_queries, &good_metrics, &records);
            load(db, files, ImportOptions { strict, ..PLAIN })
        };
        let report = strange(true).await;
        assert_eq!(report.findings.count(Severity::Rejection), 1);
        assert!(!report.written);
        assert!(is_empty(db).await);
        let report = strange(false).await;
        assert_eq!(summary(&report.findings.listed()[0]), (Severity::Warning, Some(2), "$[1]"));
        assert!(report.written);
        assert_eq!(report.counts.records, created(2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn loading_changed_files_updates_and_prunes() {
    on_each_engine_migrated(async |db, _| {
        let dir = TempDir::new().unwrap();
        let first = files(
            &dir,
            "id,query\na,\"-- Old\nSELECT id FROM metrics\"\nb,SELECT date FROM metrics\n",
            &items(&[(ONE, "a"), (TWO, "b")]),
            "[]",
        );
        let report = load(db, first, PLAIN).await;
        assert!(report.written, "{:#?}", report.findings);
        assert_eq!(report.counts.records, Tally::default());

        let prune = ImportOptions { prune: true, ..PLAIN };
        let second = || {
            files(
                &dir,
                "id,query\na,\"-- New\nSELECT id, date FROM metrics\"\n",
                &items(&[(ONE, "a")]),
                "",
            )
        };
        let report = load(db, second(), prune).await;
        let changed = Tally { updated: 1, removed: 1, ..Tally::default() };
        assert_eq!((report.counts.queries, report.counts.metrics), (changed, changed));
        let id = metricd_core::ids::MetricId(ONE.parse().unwrap());
        let found = context(db).catalog.find(id).await.unwrap().unwrap();
        assert_eq!(found.metric.details.name.as_str(), "New");
        assert_eq!((found.query.version, found.query.columns.len()), (2, 2));
        let left = "SELECT count(*) FROM metricd.queries";
        assert_eq!(number(db.pool(), left).await, 1);

        let report = load(db, second(), prune).await;
        assert_eq!(report.counts.queries, unchanged(1));
        assert_eq!(report.counts.metrics, unchanged(1));
        assert!(report.findings.listed().is_empty());

        // A pruned query that a metric still needs stays, and is mentioned.
        let other = files(&dir, "id,query\nc,SELECT 1 AS one\n", "", "");
        let report = load(db, other, prune).await;
        assert_eq!(report.counts.queries, created(1));
        assert_eq!(report.findings.count(Severity::Note), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_loses_the_last_day_is_a_warning() {
    let lossy = [
        "at BETWEEN '2025-06-01' AND '2025-06-30'",
        "happened <= '2025-06-30'",
        "at <= :end_date",
        "happened < :end_date",
        "happened BETWEEN :start_date AND :end_date",
        "NOT (at <= DATE '2025-06-30')",
    ];
    let whole = [
        "day BETWEEN '2025-06-01' AND '2025-06-30'",
        "day <= :end_date",
        "at::date BETWEEN :start_date AND :end_date",
        "happened < :end_date + 1",
        "at >= '2025-06-01' AND at < '2025-07-01'",
        "note BETWEEN '2025-06-01' AND '2025-06-30'",
        "n <= 2025",
    ];
    on_each_engine_migrated(async |db, engine| {
        execute(
            db.pool(),
            "CREATE TABLE visits (at timestamp, happened timestamptz, day date, note text, n int)",
        )
        .await;
        if engine == Engine::Native {
            execute(db.pool(), "GRANT SELECT ON visits TO metricd_reader").await;
        }
        let dir = tempfile::tempdir().unwrap();
        let one = |condition: &str| {
            let queries =
                format!("id,query\na,\"SELECT count(*) AS n FROM visits\nWHERE {condition}\"\n");
            files(&dir, &queries, &items(&[(ONE, "a")]), "")
        };
        for condition in lossy {
            let report = load(db, one(condition), PLAIN).await;
            let findings = report.findings.listed();
            assert_eq!(findings.len(), 1, "{condition} on {engine:?}: {findings:#?}");
            assert_eq!(findings[0].severity, Severity::Warning, "{condition}");
            assert!(findings[0].message.contains("write `"), "{}", findings[0].message);
            assert_eq!(findings[0].place.line, Some(2));
            let strict = load(db, one(condition), ImportOptions { strict: true, ..PLAIN }).await;
            assert!(!strict.written, "{condition}");
        }
        for condition in whole {
            let report = load(db, one(condition), ImportOptions { strict: true, ..PLAIN }).await;
            let findings = report.findings.listed();
            assert!(
                report.written && findings.is_empty(),
                "{condition} on {engine:?}: {findings:#?}"
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_tell_whether_literal_days_lose_the_last_one() {
    let query = "id,query\na,SELECT count(*) AS n FROM metrics WHERE date BETWEEN '2025-06-01' AND '2025-06-30'\n";
    let record = |time: &str| format!(r#"[{{"id": "a", "date": "2025-06-30T{time}"}}]"#);
    let strict = ImportOptions { strict: true, ..PLAIN };
    on_each_engine_migrated(async |db, engine| {
        let dir = tempfile::tempdir().unwrap();
        let with = |records: &str| files(&dir, query, &items(&[(ONE, "a")]), records);
        let (gate, claims) = (Gate::default(), BTreeSet::new());
        for (records, is_lossy) in
            [(record("00:00:00"), false), (record("00:00:01"), true), (String::new(), true)]
        {
            let checked = validate(with(&records), false, &gate, &claims, &|_| ());
            assert_eq!(checked.findings.count(Severity::Warning), u64::from(is_lossy), "{records}");
            let report = load(db, with(&records), strict).await;
            assert_eq!(
                report.written, !is_lossy,
                "{records} on {engine:?}: {:#?}",
                report.findings
            );
            let noted =
                report.slots.iter().find(|slot| slot.note.message.contains("midnight")).unwrap();
            let severity = if is_lossy { NoteSeverity::Warning } else { NoteSeverity::Info };
            assert_eq!(noted.note.severity, severity);
            let stored = number(db.pool(), "SELECT count(*) FROM metrics").await;
            assert_eq!(stored, 1, "what strict refuses leaves nothing");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shipped_examples_have_no_findings() {
    on_each_engine_migrated(async |db, engine| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
        let examples = || {
            open(
                Some(&dir.join("queries.csv")),
                Some(&dir.join("metrics.json")),
                Some(&dir.join("metric_records.json")),
            )
        };
        let report = load(db, examples(), ImportOptions { strict: true, ..PLAIN }).await;
        assert!(report.findings.listed().is_empty(), "{engine:?}: {:#?}", report.findings);
        let (gate, claims) = (Gate::default(), BTreeSet::new());
        let report = validate(examples(), true, &gate, &claims, &|_| ());
        assert!(report.findings.listed().is_empty(), "{:#?}", report.findings);
        let wrong = |slot: &&SlotFinding| slot.note.message.contains("up to midnight");
        assert!(!report.slots.iter().any(|slot| wrong(&slot)), "{:#?}", report.slots);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_fills_only_what_is_empty() {
    on_each_engine_migrated(async |db, _| {
        let dir = TempDir::new().unwrap();
        let actor = Actor::operator();
        let context = context(db);

        let broken = files(&dir, "id,query\na,SELEC 1\n", "", "[]");
        let report = seed(&actor, &context, broken).await.unwrap().unwrap();
        assert_eq!(report.findings.count(Severity::Rejection), 1);
        assert!(!report.written);
        assert!(is_empty(db).await);

        let records = r#"[{"id": "a", "date": "2025-06-01"}]"#;
        let queries = "id,query\na,SELECT id FROM metrics\n";
        let report =
            seed(&actor, &context, files(&dir, queries, "", records)).await.unwrap().unwrap();
        assert!(report.written, "{:#?}", report.findings);

        // The file of queries no longer matters, not even that it is broken.
        let metrics = items(&[(ONE, "a")]);
        let rest = files(&dir, "rubbish", &metrics, "[{}]");
        let report = seed(&actor, &context, rest).await.unwrap().unwrap();
        assert!(report.written, "{:#?}", report.findings);
        assert_eq!(report.counts.metrics, created(1));
        assert_eq!(report.counts.queries, Tally::default());

        assert!(seed(&actor, &context, sample()).await.unwrap().is_none());
        let none = CatalogFiles::default();
        assert!(seed(&actor, &context, none).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_are_stored_in_batches_with_progress() {
    on_each_engine_migrated(async |db, _| {
        let dir = TempDir::new().unwrap();
        let number_of_records = 2 * RecordFile::BATCH + 10;
        let records: Vec<_> = (0..number_of_records)
            .map(|at| {
                // The last ten repeat the first ten.
                let at = at % (2 * RecordFile::BATCH);
                format!(r#"{{"id": "a", "date": "2025-06-01", "parts_flagged": {at}}}"#)
            })
            .collect();
        let files = files(
            &dir,
            "id,query\na,SELECT id FROM metrics\n",
            &items(&[(ONE, "a")]),
            &format!("[{}]", records.join(",\n")),
        );
        let told = Mutex::new(Vec::new());
        let hear = |progress: Progress| told.lock().unwrap().push(progress);
        let report = import(&Actor::operator(), &context(db), files, PLAIN, &hear).await.unwrap();
        assert_eq!(report.counts.records, created(number_of_records.try_into().unwrap()));
        assert_eq!(report.findings.count(Severity::Note), 10);
        let told = told.into_inner().unwrap();
        let read: Vec<_> = told.iter().map(|progress| progress.records).collect();
        assert_eq!(read, [5_000, 10_000, 10_010]);
        assert!(told.iter().all(|progress| progress.bytes <= progress.total_bytes));
        assert_eq!(told[2].bytes, told[2].total_bytes);
    })
    .await;
}
