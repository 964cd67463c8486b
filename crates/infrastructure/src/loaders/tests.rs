//! Broken files of every kind: each gets its own finding, with its place and what to do.

use std::{
    collections::BTreeSet,
    io::{Cursor, Read},
};

use metricd_application::catalog::{
    CatalogFiles, Counts, Finding, Findings, LoadedMetrics, LoadedQueries, RecordSource, Severity,
    validate,
};
use metricd_application::ports::StagedRecord;
use metricd_core::{metric::CacheTtl, sql::Gate};

use super::{RecordFile, load_metrics, load_queries, metrics::read_metrics, queries::read_queries};

const ID: &str = "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6";
const OTHER: &str = "c797b618-df12-45f7-bbb2-cc6695a48e46";

/// Which file a text is.
#[derive(Debug, Clone, Copy)]
enum File {
    Metrics,
    Queries,
    Records,
}

use File::{Metrics, Queries, Records};

fn metrics(text: impl AsRef<[u8]>) -> LoadedMetrics {
    let input = Cursor::new(text.as_ref().to_vec());
    read_metrics("metrics.json".into(), Ok(Box::new(input)))
}

fn queries(text: impl AsRef<[u8]>) -> LoadedQueries {
    read_queries("queries.csv".into(), Ok(text.as_ref().to_vec()))
}

fn source(text: impl AsRef<[u8]>) -> RecordFile {
    let text = text.as_ref().to_vec();
    let size = text.len() as u64;
    RecordFile::read("records.json".into(), size, Ok(Box::new(Cursor::new(text))))
}

fn records(text: impl AsRef<[u8]>) -> (Vec<StagedRecord>, Findings) {
    let mut source = source(text);
    let mut findings = Findings::default();
    let mut records = Vec::new();
    while let Some(batch) = source.next_batch(&mut findings) {
        records.extend(batch);
    }
    (records, findings)
}

fn findings_of(file: File, text: &[u8]) -> Findings {
    match file {
        Metrics => metrics(text).findings,
        Queries => queries(text).findings,
        Records => records(text).1,
    }
}

/// Line, path, part of the message.
type Expected<'a> = (u64, &'a str, &'a str);

#[track_caller]
fn assert_finding(text: &[u8], found: &Finding, severity: Severity, expected: Expected<'_>) {
    let (line, path, message) = expected;
    let shown = String::from_utf8_lossy(text);
    assert_eq!(found.severity, severity, "{shown}\n{found:?}");
    assert_eq!(found.place.line, Some(line), "{shown}\n{found:?}");
    assert_eq!(found.place.path.as_deref().unwrap_or_default(), path, "{shown}\n{found:?}");
    assert!(found.message.contains(message), "{shown}\n{found:?}");
    assert!(!found.advice.is_empty(), "{shown}\n{found:?}");
}

#[track_caller]
fn assert_only(file: File, text: impl AsRef<[u8]>, severity: Severity, expected: Expected<'_>) {
    let text = text.as_ref();
    let findings = findings_of(file, text);
    let [found] = findings.listed() else {
        panic!("one finding expected\n{}\n{findings:#?}", String::from_utf8_lossy(text));
    };
    assert_finding(text, found, severity, expected);
}

#[track_caller]
fn assert_rejected(file: File, cases: &[(&str, Expected<'_>)]) {
    for (text, expected) in cases {
        assert_only(file, text, Severity::Rejection, *expected);
    }
}

/// A file of metrics with one item, on lines of its own.
fn item(members: &str) -> String {
    format!("{{\"items\": [\n{{{members}}}\n]}}")
}

/// A file of metrics with one layout item.
fn tile(members: &str) -> String {
    format!("{{\"items\": [], \"layouts\": {{\"lg\": [\n{{{members}}}\n]}}}}")
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn an_item_that_is_at_fault_says_where_and_why() {
    let id = format!("\"id\": \"{ID}\"");
    let cases = [
        (r#""queryId": "q", "isEditable": true"#.to_owned(), (2, "$.items[0]", "`id` is missing")),
        (
            r#""id": "12", "queryId": "q", "isEditable": true"#.to_owned(),
            (2, "$.items[0].id", "`id` is not a UUID: `12`"),
        ),
        (
            format!(r#""id": "{}", "queryId": "q", "isEditable": true"#, ID.replace('-', "")),
            (2, "$.items[0].id", "not a UUID"),
        ),
        (
            r#""id": 12, "queryId": "q", "isEditable": true"#.to_owned(),
            (2, "$.items[0].id", "must be text in quotes, not a number"),
        ),
        (format!(r#"{id}, "isEditable": true"#), (2, "$.items[0]", "`queryId` is missing")),
        (
            format!(r#"{id}, "queryId": " q", "isEditable": true"#),
            (2, "$.items[0].queryId", "names no query"),
        ),
        (
            format!("{id}, \"queryId\": \"q\",\n\"query_id\": \"r\", \"isEditable\": true"),
            (3, "$.items[0].query_id", "`query_id` and `queryId` mean the same and differ"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "query_id": null, "isEditable": true"#),
            (2, "$.items[0].query_id", "not null"),
        ),
        (format!(r#"{id}, "queryId": "q""#), (2, "$.items[0]", "`isEditable` is missing")),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": "true""#),
            (2, "$.items[0].isEditable", "must be true or false, not text"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": null"#),
            (2, "$.items[0].isEditable", "must be true or false, not null"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "is_editable": false"#),
            (2, "$.items[0].is_editable", "mean the same and differ"),
        ),
        (
            format!("{id},\n\"queryId\": \"q\",\n\"queryId\": \"q\", \"isEditable\": true"),
            (4, "$.items[0].queryId", "occurs twice"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "name": "a\nb""#),
            (2, "$.items[0].name", "on one line"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "description": "a\u0000b""#),
            (2, "$.items[0].description", "NUL"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "tags": ["a", 1]"#),
            (2, "$.items[0].tags[1]", "a tag must be text"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "tags": "a""#),
            (2, "$.items[0].tags", "must be a list"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "display": {{"chart": "pipe"}}"#),
            (2, "$.items[0].display.chart", "not a kind of chart"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "display": {{"unit": 1}}"#),
            (2, "$.items[0].display.unit", "`unit` must be text"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "cache_ttl_seconds": 604801"#),
            (2, "$.items[0].cache_ttl_seconds", "must be 0 to 604800 seconds"),
        ),
        (
            format!(r#"{id}, "queryId": "q", "isEditable": true, "cache_ttl_seconds": "1m""#),
            (2, "$.items[0].cache_ttl_seconds", "must be a whole number"),
        ),
    ];
    for (members, expected) in cases {
        assert_only(Metrics, item(&members), Severity::Rejection, expected);
    }
}

#[test]
fn a_layout_item_that_is_at_fault_says_where_and_why() {
    let cases = [
        (r#""x": 0, "y": 0, "w": 1, "h": 1"#, (2, "$.layouts.lg[0]", "`i` is missing")),
        (r#""i": "a", "x": 0, "y": 0, "w": 1, "h": 1"#, (2, "$.layouts.lg[0].i", "not a UUID")),
        (r#""i": ID, "y": 0, "w": 1, "h": 1"#, (2, "$.layouts.lg[0]", "`x` is missing")),
        (r#""i": ID, "x": 0, "w": 1, "h": 1"#, (2, "$.layouts.lg[0]", "`y` is missing")),
        (r#""i": ID, "x": 0, "y": 0, "h": 1"#, (2, "$.layouts.lg[0]", "`w` is missing")),
        (r#""i": ID, "x": 0, "y": 0, "w": 1"#, (2, "$.layouts.lg[0]", "`h` is missing")),
        (
            r#""i": ID, "x": null, "y": 0, "w": 1, "h": 1"#,
            (2, "$.layouts.lg[0].x", "must be a whole number, not null"),
        ),
        (
            r#""i": ID, "x": "0", "y": 0, "w": 1, "h": 1"#,
            (2, "$.layouts.lg[0].x", "must be a whole number, not text"),
        ),
        (
            r#""i": ID, "x": 0.0, "y": 0, "w": 1, "h": 1"#,
            (2, "$.layouts.lg[0].x", "must be a whole number, not 0.0"),
        ),
        (
            "\"i\": ID, \"x\": 0,\n\"y\": 2147483648, \"w\": 1, \"h\": 1",
            (3, "$.layouts.lg[0].y", "out of range: 2147483648"),
        ),
        (
            r#""i": ID, "x": -1, "y": 0, "w": 1, "h": 1"#,
            (2, "$.layouts.lg[0].x", "`x` must be at least 0"),
        ),
        (
            r#""i": ID, "x": 0, "y": 0, "w": 0, "h": 1"#,
            (2, "$.layouts.lg[0].w", "`w` must be at least 1"),
        ),
        (
            r#""i": ID, "x": 0, "y": 0, "w": 1, "h": 1, "static": 0"#,
            (2, "$.layouts.lg[0].static", "must be true, false or null, not a number"),
        ),
    ];
    for (members, expected) in cases {
        let text = tile(&members.replace("ID", &format!("\"{ID}\"")));
        assert_only(Metrics, text, Severity::Rejection, expected);
    }
}

#[test]
fn a_file_of_metrics_of_another_shape_says_what_it_should_be() {
    assert_rejected(
        Metrics,
        &[
            ("", (1, "$", "the file is empty")),
            ("[]", (1, "$", "must be an object with `items` and `layouts`, not a list")),
            ("{}", (1, "$", "`items` is missing")),
            ("{\"items\":\nnull}", (2, "$.items", "must be a list of metrics, not null")),
            ("{\"items\": [\n1]}", (2, "$.items[0]", "must be a metric")),
            ("{\"items\": [],\n\"items\": []}", (2, "$.items", "occurs twice")),
            ("{\"items\": [], \"layouts\": []}", (1, "$.layouts", "object of breakpoints")),
            ("{\"items\": [], \"layouts\": {\"lg\": {}}}", (1, "$.layouts.lg", "must be a list")),
            (
                "{\"items\": [], \"layouts\": {\"lg\": [7]}}",
                (1, "$.layouts.lg[0]", "a layout item"),
            ),
            (
                "{\"items\": [], \"layouts\": {\"l g\": []}}",
                (1, "$.layouts[\"l g\"]", "no breakpoint"),
            ),
            (
                "{\"items\": [], \"layouts\": {\"lg\": [],\n\"lg\": []}}",
                (2, "$.layouts.lg", "occurs twice"),
            ),
        ],
    );
}

#[test]
fn invalid_json_is_explained() {
    assert_rejected(
        Metrics,
        &[
            ("{\"items\": [\n{\"id\": 1 \"b\": 2}]}", (2, "$.items[0]", "a comma is missing")),
            ("{\"items\": [],\n}", (1, "$.items", "before a closing bracket")),
            ("{\"items\": [],\n\"layouts\":", (2, "$.layouts", "it ends too early")),
            ("{\"items\": []}\nx", (2, "$", "something follows the end")),
            ("{'items': []}", (1, "$", "column 2 on: a name in quotes")),
            ("{\"items\": [], // none\n}", (1, "$.items", "JSON has no comments")),
            ("{\"items\": [NaN]}", (1, "$.items[0]", "a value should be here")),
            ("{\"items\": [{\"a\": 01}]}", (1, "$.items[0]", "a number is malformed")),
            ("{\"items\": [True]}", (1, "$.items[0]", "a value should be here")),
        ],
    );
    let deep = format!("{{\"items\": [{{\"x\": {}", "[".repeat(200));
    assert_only(Metrics, deep, Severity::Rejection, (1, "$.items[0]", "nested more than"));
}

#[test]
fn a_record_that_is_at_fault_says_where_and_why() {
    let cases = [
        (r#"{"date": "2025-06-01"}"#, (2, "$[0]", "`id` is missing")),
        (r#"{"id": "", "date": "2025-06-01"}"#, (2, "$[0].id", "names no query")),
        (r#"{"id": 5, "date": "2025-06-01"}"#, (2, "$[0].id", "text in quotes, not a number")),
        (r#"{"id": "q"}"#, (2, "$[0]", "`date` is missing")),
        (r#"{"id": "q", "date": null}"#, (2, "$[0].date", "not null")),
        (r#"{"id": "q", "date": "2025-02-30"}"#, (2, "$[0].date", "it is `2025-02-30`")),
        (r#"{"id": "q", "date": "01.06.2025"}"#, (2, "$[0].date", "must be a date")),
        (r#"{"id": "q", "date": 1748736000}"#, (2, "$[0].date", "text in quotes, not a number")),
        (
            r#"{"id": "q", "date": "2025-06-01", "obsolescence": "1"}"#,
            (2, "$[0].obsolescence", "must be a number, not text"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "obsolescence": 1e999}"#,
            (2, "$[0].obsolescence", "not a finite number: 1e999"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "obsolescence_val": -1e999}"#,
            (2, "$[0].obsolescence_val", "not a finite number"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "obsolescence_val": 1e-999}"#,
            (2, "$[0].obsolescence_val", "too small"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "parts_flagged": 2147483648}"#,
            (2, "$[0].parts_flagged", "out of range: 2147483648"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "parts_flagged": 1.5}"#,
            (2, "$[0].parts_flagged", "must be a whole number, not 1.5"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "parts_flagged": true}"#,
            (2, "$[0].parts_flagged", "must be a whole number, not a boolean"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "alert_type": 3}"#,
            (2, "$[0].alert_type", "text in quotes, not a number"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "alert_category": "a\u0000"}"#,
            (2, "$[0].alert_category", "NUL"),
        ),
        (
            r#"{"id": "q", "date": "2025-06-01", "date": "2025-06-02"}"#,
            (2, "$[0].date", "occurs twice"),
        ),
        (r#""q""#, (2, "$[0]", "must be a record")),
    ];
    for (record, expected) in cases {
        let good = r#"{"id": "q", "date": "2025-06-01"}"#;
        let text = format!("[\n{record},\n{good}]");
        assert_only(Records, &text, Severity::Rejection, expected);
        assert_eq!(records(&text).0.len(), 1, "the other record is read: {text}");
    }
}

#[test]
fn a_file_of_records_of_another_shape_says_what_it_should_be() {
    assert_rejected(
        Records,
        &[
            ("", (1, "$", "the file is empty")),
            ("{\"id\": 1}", (1, "$", "must be a list of records, not an object")),
            ("[", (1, "$", "it ends too early")),
            ("[] []", (1, "$", "something follows the end")),
            (
                "[\n{\"id\": \"q\", \"date\": \"2025-06-01\"},\n{\"id\": \"q\" \"date\"",
                (3, "$[1]", "a comma is missing"),
            ),
        ],
    );
}

#[test]
fn a_row_that_is_at_fault_says_where_and_why() {
    assert_rejected(
        Queries,
        &[
            ("", (1, "", "the file is empty")),
            ("\n\n", (1, "", "the file is empty")),
            (
                "a,SELECT 1\n",
                (1, "", "the header `id,query` is missing; the first line is `a,SELECT 1`"),
            ),
            ("id;query\na;b\n", (1, "", "header `id,query` is missing")),
            ("id,sql\n", (1, "", "header `id,query` is missing")),
            ("id,query,id\n", (1, "", "names the column `id` twice")),
            ("id,query\na,SELECT 1, 2\n", (2, "", "this row has 3 fields, the header has 2")),
            ("id,query\n\na\nb,SELECT 1\n", (3, "", "this row has 1 field, the header has 2")),
            ("id,query\na,\n", (2, "", "the SQL of this row is empty")),
            ("id,query\na,\" \n \"\n", (2, "", "the SQL of this row is empty")),
            ("id,query\n,SELECT 1\n", (2, "", "must not be empty")),
            ("id,query\n a,SELECT 1\n", (2, "", "white space")),
            ("id,query\na,\"SELECT\n1\nb,SELECT 2\n", (2, "", "never closes")),
            ("id,query\na,\"SELECT\n\"x\" FROM t\"\n", (3, "", "something follows a closing")),
            ("id,query\na,SELECT '\0'\n", (2, "", "NUL")),
        ],
    );
}

#[test]
fn text_that_is_not_utf8_is_rejected_with_its_line() {
    let latin1: [(File, &[u8], u64, &str); 3] = [
        (Queries, b"id,query\na,\"SELECT\n'\xE4'\"\nb,SELECT 1\n", 3, ""),
        (Metrics, b"{\"items\": [\n{\"name\": \"\xE4\"}]}", 2, "$.items[0]"),
        (Records, b"[\n{\"id\": \"q\",\n\"alert_type\": \"\xE4\"}]", 3, "$[0]"),
    ];
    for (file, text, line, path) in latin1 {
        assert_only(file, text, Severity::Rejection, (line, path, "not UTF-8"));
    }
    assert_eq!(queries(latin1[0].1).rows.len(), 1, "the other row is read");
    let utf16 = b"\xFF\xFE[\0]\0";
    assert_eq!(findings_of(Records, utf16).count(Severity::Rejection), 1);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    let marked = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let loaded = queries(marked("id,query\na,\"SELECT 1,\n2\"\n\nb,SELECT 2\n"));
    assert_eq!(loaded.findings, Findings::default());
    let rows: Vec<_> =
        loaded.rows.iter().map(|row| (row.id.as_str(), row.sql.as_str(), row.place.line)).collect();
    assert_eq!(rows, [("a", "SELECT 1,\r\n2", Some(2)), ("b", "SELECT 2", Some(5))]);

    let text = format!("\"id\": \"{ID}\",\n\"queryId\": \"q\",\n\"isEditable\": true");
    let loaded = metrics(marked(&item(&text)));
    assert_eq!(loaded.findings, Findings::default());
    assert_eq!(loaded.items[0].query_place.line, Some(3));

    let (read, findings) = records(marked("[\n{\"id\": \"q\",\n\"date\": \"2025-06-01\"}]\n"));
    assert_eq!(findings, Findings::default());
    assert_eq!((read[0].index, read[0].line), (0, 2));
}

#[test]
fn every_fault_of_a_file_is_reported() {
    let text = format!(
        "{{\"items\": [\n{{\"id\": \"x\", \"isEditable\": 1}},\n{{\"id\": \"{ID}\"}}],\n\
         \"layouts\": {{\"lg\": [\n{{\"i\": \"{ID}\", \"x\": -1, \"y\": 1e3, \"w\": 0}}]}}}}"
    );
    let loaded = metrics(&text);
    let found: Vec<_> = loaded
        .findings
        .listed()
        .iter()
        .map(|found| (found.place.line.unwrap(), found.place.path.clone().unwrap()))
        .collect();
    let expected = [
        (2, "$.items[0].id"),
        (2, "$.items[0]"),
        (2, "$.items[0].isEditable"),
        (3, "$.items[1]"),
        (3, "$.items[1]"),
        (5, "$.layouts.lg[0].y"),
        (5, "$.layouts.lg[0]"),
        (5, "$.layouts.lg[0].x"),
        (5, "$.layouts.lg[0].w"),
    ];
    let expected: Vec<_> = expected.map(|(line, path)| (line, path.to_owned())).into();
    assert_eq!(found, expected);
    assert!(loaded.left_out.unnamed && loaded.left_out.ids.len() == 1);
    assert!(loaded.items.is_empty() && loaded.layouts.is_empty());
}

#[test]
fn unknown_names_are_noted_once_and_unknown_columns_warned_of() {
    let one = r#"{"id": "q", "date": "2025-06-01", "colour": [{"a": 1}], "size": 2}"#;
    let (read, findings) = records(format!("[{one},\n{one}]"));
    assert_eq!(read.len(), 2);
    assert_eq!(findings.count(Severity::Note), 2);
    let note = &findings.listed()[0];
    assert_finding(one.as_bytes(), note, Severity::Note, (1, "$[0].colour", "has no meaning here"));

    let text = format!(
        "{{\"version\": 1, \"items\": [{{\"id\": \"{ID}\", \"queryId\": \"q\", \
         \"isEditable\": true, \"display\": {{\"colour\": 1}}}}]}}"
    );
    let loaded = metrics(&text);
    let paths: Vec<_> =
        loaded.findings.listed().iter().map(|found| found.place.path.clone().unwrap()).collect();
    assert_eq!(paths, ["$.version", "$.items[0].display.colour"]);
    assert_eq!(loaded.items.len(), 1);

    let text = "id,note,query\na,x,SELECT 1\n";
    assert_only(Queries, text, Severity::Warning, (1, "", "the column `note`"));
    assert_eq!(queries(text).rows[0].sql, "SELECT 1");
}

#[test]
fn both_spellings_of_a_key_are_accepted_in_silence() {
    for members in [
        r#""queryId": "q", "isEditable": true"#,
        r#""query_id": "q", "is_editable": true"#,
        r#""queryId": "q", "query_id": "q", "isEditable": true, "is_editable": true"#,
    ] {
        let loaded = metrics(item(&format!("\"id\": \"{ID}\", {members}")));
        assert_eq!(loaded.findings, Findings::default(), "{members}");
        assert_eq!(loaded.items[0].content.query_id.as_str(), "q");
        assert!(loaded.items[0].content.is_editable);
    }
}

#[test]
fn everything_that_a_metric_may_say_is_read() {
    let text = format!(
        r#"{{"items": [{{"id": "{ID}", "queryId": "q", "isEditable": false, "name": " Cost ",
        "description": "Long\nstory", "owner": "Ada", "tags": ["a", "b"],
        "display": {{"chart": "bar", "unit": "€"}}, "cache_ttl_seconds": 60}}],
        "layouts": {{"md": [{{"i": "{ID}", "x": 1, "y": 9999999, "w": 2, "h": 3}}],
        "lg": [{{"i": "{OTHER}", "x": 0, "y": 0, "w": 1, "h": 1, "static": null}},
               {{"i": "{ID}", "x": 0, "y": 0, "w": 1, "h": 1, "static": true}}]}}}}"#
    );
    let loaded = metrics(&text);
    assert_eq!(loaded.findings, Findings::default());
    let details = &loaded.items[0].content.details;
    assert_eq!(details.name.as_ref().unwrap().as_str(), "Cost");
    assert_eq!(details.description.as_deref(), Some("Long\nstory"));
    assert_eq!(details.tags.as_ref().unwrap().len(), 2);
    assert_eq!(details.unit.as_deref(), Some("€"));
    assert_eq!(details.cache_ttl.map(CacheTtl::seconds), Some(60));
    let tiles: Vec<_> = loaded
        .layouts
        .iter()
        .map(|layout| (layout.item.breakpoint.as_str(), layout.item.y, layout.item.is_static))
        .collect();
    assert_eq!(tiles, [("md", 9_999_999, None), ("lg", 0, None), ("lg", 0, Some(true))]);
}

#[test]
fn numbers_and_dates_are_read_as_they_are_meant() {
    let (read, findings) = records(
        r#"[{"id": "q", "date": "2025-06-01T01:30:00+02:00", "obsolescence": 120.50,
        "obsolescence_val": -0, "parts_flagged": -2147483648, "alert_type": null},
        {"id": "q", "date": "2025-06-01T00:00:00.123456", "obsolescence": 1E2}]"#,
    );
    assert_eq!(findings, Findings::default());
    assert_eq!(read[0].record.date.to_string(), "2025-05-31 23:30:00");
    assert_eq!(read[0].record.values.obsolescence, Some(120.5));
    assert_eq!(read[0].record.values.parts_flagged, Some(i32::MIN));
    assert_eq!(read[0].record.values.alert_type, None);
    assert_eq!(read[1].record.date.to_string(), "2025-06-01 00:00:00.123456");
    assert_eq!(read[1].record.values.obsolescence, Some(100.0));
}

#[test]
fn a_file_that_is_not_there_is_a_rejection_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().join("missing"), dir.path().to_owned()] {
        let mut from_records = Findings::default();
        let mut source = RecordFile::open(&path);
        assert!(source.next_batch(&mut from_records).is_none());
        for findings in [load_metrics(&path).findings, load_queries(&path).findings, from_records] {
            let [found] = findings.listed() else { panic!("{findings:?}") };
            assert_eq!(found.severity, Severity::Rejection);
            assert_eq!(found.place.file, path.display().to_string());
            assert!(found.message.starts_with("the file cannot be read: "), "{found:?}");
        }
    }
}

fn sample() -> CatalogFiles {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sample");
    CatalogFiles {
        queries: Some(load_queries(&dir.join("queries.csv"))),
        metrics: Some(load_metrics(&dir.join("metrics.json"))),
        records: Some(Box::new(RecordFile::open(&dir.join("metric_records.json")))),
    }
}

#[test]
fn the_sample_is_valid_but_for_a_repair_and_a_note() {
    let report = validate(sample(), false, &Gate::default(), &BTreeSet::new(), &|_| ());
    let counts = report.counts;
    let created =
        [counts.queries, counts.metrics, counts.layouts, counts.records].map(|tally| tally.created);
    assert_eq!(created, [5, 5, 10, 15]);
    let [repair, note] = report.findings.listed() else { panic!("{:#?}", report.findings) };
    let becomes = "becomes `1379a764-2543-45fd-a78b-8c5a65827417`";
    assert_finding(b"", repair, Severity::Repair, (24, "$.items[4].id", becomes));
    assert_finding(b"", note, Severity::Note, (67, "$[13]", "equals `$[12]`, kept"));
    assert!(!report.written);
    let strict = validate(sample(), true, &Gate::default(), &BTreeSet::new(), &|_| ());
    assert!(!strict.findings.permit_writing(), "a repair is not strict");
}

#[test]
fn validating_says_what_does_not_fit_together() {
    let files = CatalogFiles {
        queries: Some(queries("id,query\na,SELECT 1\nb,\"SELECT\n :no_such\"\nc,SELECT 1\n")),
        metrics: Some(metrics(format!(
            "{{\"items\": [{{\"id\": \"{ID}\", \"queryId\": \"a\", \"isEditable\": true}},\n\
             {{\"id\": \"{OTHER}\", \"queryId\": \"z\", \"isEditable\": true}}]}}"
        ))),
        records: Some(Box::new(source(
            "[{\"id\": \"b\", \"date\": \"2025-06-01\"},\n{\"id\": \"y\", \"date\": \"2025-06-01\"},\n\
             {\"id\": \"y\", \"date\": \"2025-06-02\"}]",
        ))),
    };
    let report = validate(files, false, &Gate::default(), &BTreeSet::new(), &|_| ());
    let found: Vec<_> = report
        .findings
        .listed()
        .iter()
        .map(|found| (found.severity, found.place.line.unwrap(), found.message.as_str()))
        .collect();
    let [sql, missing, unused, unknown] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!((sql.0, sql.1), (Severity::Rejection, 3));
    assert!(
        sql.2.starts_with("the SQL of `b`, line 2, column 2 (line 4 of the file): "),
        "{sql:?}"
    );
    assert_eq!(*missing, (Severity::Rejection, 2, "there is no query `z`"));
    assert_eq!(*unused, (Severity::Warning, 5, "no metric uses the query `c`"));
    assert_eq!(unknown.0, Severity::Warning);
    assert!(unknown.2.starts_with("2 records belong to `y`"), "{unknown:?}");
    assert_eq!(report.counts, Counts::default(), "nothing would be written");
}

/// Makes records while they are read, and never holds more than one.
struct Endless {
    left: u64,
    pending: Cursor<Vec<u8>>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.pending.read(buffer)?;
            if read > 0 || self.left == 0 {
                return Ok(read);
            }
            self.left -= 1;
            let end = if self.left == 0 { "]" } else { ",\n" };
            let record = format!(
                "{{\"id\": \"q\", \"date\": \"2025-06-01T00:00:00\", \"parts_flagged\": {}}}{end}",
                self.left
            );
            self.pending = Cursor::new(record.into_bytes());
        }
    }
}

#[test]
fn a_large_file_is_read_in_batches_of_bounded_size() {
    const RECORDS: u64 = 300_000;
    let input = Endless { left: RECORDS, pending: Cursor::new(b"[\n".to_vec()) };
    let mut source = RecordFile::read("records.json".into(), 0, Ok(Box::new(input)));
    let mut findings = Findings::default();
    let mut read = 0;
    while let Some(batch) = source.next_batch(&mut findings) {
        assert!(batch.len() <= RecordFile::BATCH);
        assert!(batch.iter().enumerate().all(|(at, record)| record.index == read + at as u64));
        read += batch.len() as u64;
        assert_eq!(source.progress().records, read, "nothing is read ahead");
    }
    assert_eq!(read, RECORDS);
    assert_eq!(findings, Findings::default());
}

#[test]
fn thousands_of_faults_are_counted_and_few_are_listed() {
    let text = format!("[{}1]", "1,".repeat(20_000));
    let (_, findings) = records(text);
    assert_eq!(findings.count(Severity::Rejection), 20_001);
    assert_eq!(findings.listed().len() as u64, Findings::LISTED);
}
