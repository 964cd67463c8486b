//! What holds for any sentence.

use std::{collections::BTreeSet, sync::Arc};

use chrono::NaiveDate;
use metricd_core::{
    schema::{ColumnKind, ColumnSamples, SampledSchema, Schema, Table, TableColumn},
    sql::{Draft, Gate, TableName},
    window::{Window, WindowRequest},
};
use proptest::prelude::*;

use super::{Interpretation, interpret};

/// A column and its values.
type SampledColumn = (TableColumn, Vec<String>);

fn column(name: &str, ty: &str, kind: ColumnKind, values: &[&str]) -> SampledColumn {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    (TableColumn { name: name.into(), ty: ty.into(), kind, comment: None }, values)
}

fn table(
    schema: Option<&str>,
    name: &str,
    columns: Vec<SampledColumn>,
) -> (TableName, Vec<SampledColumn>) {
    (TableName { schema: schema.map(str::to_owned), name: name.into() }, columns)
}

fn sampled(tables: Vec<(TableName, Vec<SampledColumn>)>) -> SampledSchema {
    let mut samples = ColumnSamples::default();
    let tables = tables.into_iter().map(|(name, columns)| {
        let columns = columns.into_iter().map(|(column, values)| {
            samples.insert(&name, &column.name, values);
            column
        });
        let columns = columns.collect();
        Table { name, comment: None, columns, foreign_keys: Vec::new() }
    });
    let schema = Arc::new(Schema { tables: tables.collect() });
    SampledSchema { schema, samples }
}

/// The records, and tables whose names and values need quoting.
pub(crate) fn schema() -> SampledSchema {
    sampled(tables())
}

fn tables() -> Vec<(TableName, Vec<SampledColumn>)> {
    use ColumnKind::{Boolean, Date, Number, Other, Text, Timestamp, TimestampTz};
    vec![
        table(
            None,
            "metrics",
            vec![
                column("metric_id", "uuid", Other, &[]),
                column("id", "text", Text, &[]),
                column("date", "timestamp", Timestamp, &[]),
                column("obsolescence_val", "float8", Number, &[]),
                column("obsolescence", "float8", Number, &[]),
                column("parts_flagged", "int4", Number, &[]),
                column("alert_type", "text", Text, &["Critical", "Warning"]),
                column("alert_category", "text", Text, &["Approved", "Need approval"]),
            ],
        ),
        table(
            Some("Shop Floor"),
            "order",
            vec![
                column("count", "int4", Number, &[]),
                column("day", "date", Date, &[]),
                column("select", "text", Text, &["it's :start_date", "\\'; --", "🚨 alarm", "*/"]),
                column("a \"quoted\" thing", "numeric", Number, &[]),
                column("paid", "bool", Boolean, &[]),
            ],
        ),
        table(
            None,
            "tickets",
            vec![
                column("created", "timestamptz", TimestampTz, &[]),
                column("closed_on", "date", Date, &[]),
                column("state", "text", Text, &["Open", "Closed"]),
                column("hours", "numeric", Number, &[]),
            ],
        ),
        table(None, "count", vec![column("total", "int8", Number, &[])]),
        table(None, "", vec![column("", "int8", Number, &[])]),
    ]
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Whatever is suggested parses, and reads tables of the schema alone.
fn holds(prompt: &str) -> bool {
    let schema = schema();
    match interpret(prompt, &schema, day("2025-08-02")) {
        Interpretation::NotUnderstood { explanation } => {
            assert!(!explanation.is_empty());
            false
        }
        Interpretation::Query { sql, explanation } => {
            assert!(!explanation.is_empty());
            let draft = Draft::parse(&sql, &Gate::default())
                .unwrap_or_else(|error| panic!("{prompt:?}: {error}\n{sql}"));
            let known: BTreeSet<_> =
                schema.schema.tables.iter().map(|table| table.name.clone()).collect();
            assert!(!draft.tables().is_empty() && draft.tables().is_subset(&known), "{sql}");
            assert!(draft.claims().is_empty(), "{sql}");
            assert!(sql.starts_with("-- "), "{sql}");
            draft.assume().unwrap_or_else(|error| panic!("{prompt:?}: {error}\n{sql}"));
            true
        }
    }
}

fn explained(prompt: &str) -> String {
    match interpret(prompt, &schema(), day("2025-08-02")) {
        Interpretation::NotUnderstood { explanation }
        | Interpretation::Query { explanation, .. } => explanation,
    }
}

#[test]
fn hostile_sentences_give_nothing_but_a_query_or_a_reason() {
    let long = "critical alerts ".repeat(200);
    for prompt in [
        "",
        "\0",
        "--",
        "'; DROP TABLE metrics; --",
        "critical alerts */ ; DELETE FROM metrics",
        "critical alerts \n; DROP TABLE metrics",
        ":claim_tenant critical alerts :start_date :nonsense",
        "tickets where state = ''' OR 1=1 --'",
        "tickets of state '\\' per day",
        "tickets of state '' per day",
        "𝓬𝓻𝓲𝓽𝓲𝓬𝓪𝓵 𝓪𝓵𝓮𝓻𝓽𝓼",
        "İstanbul ß ﬁ critical",
        "critical\u{2028}alerts\u{202e}",
        "more than more than more than",
        "top top 5 5 by by by",
        "last last last 7",
        "between and between and",
        "not not not critical",
        &long,
    ] {
        holds(prompt);
    }
    assert!(!holds("'; DROP TABLE metrics; --"));
}

#[test]
fn names_and_values_are_quoted_where_they_must_be() {
    for prompt in [
        "order per day",
        "total a \"quoted\" thing",
        "a quoted thing of order by select",
        "order where select is 'it''s :start_date'",
        "order where select is \"it's :start_date\"",
        "order of alarm",
        "order by count",
        "paid order per week since 2025-01-01",
        "number of tickets of state 'O''Brien' in 2024",
        "count",
    ] {
        holds(prompt);
    }
    assert!(holds("order of alarm by day in June 2025"));
    assert!(holds("order where select is \"it's :start_date\""));
}

#[test]
fn a_schema_without_end_is_not_read() {
    let values: Vec<String> = (0..50).map(|number| format!("value {number}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let columns: Vec<_> = (0..20)
        .map(|number| column(&format!("column_{number}"), "text", ColumnKind::Text, &values))
        .collect();
    let mut large = tables();
    large.extend((0..97).map(|number| table(None, &format!("wide_{number}"), columns.clone())));
    let on = day("2025-08-02");
    let answered = interpret("critical alerts", &sampled(large.clone()), on);
    assert!(matches!(answered, Interpretation::Query { .. }));
    large.extend((0..2).map(|number| table(None, &format!("more_{number}"), columns.clone())));
    match interpret("critical alerts", &sampled(large), on) {
        Interpretation::NotUnderstood { explanation } => {
            assert!(explanation.contains("more than 100000 tables"), "{explanation}");
        }
        Interpretation::Query { sql, .. } => panic!("{sql}"),
    }
}

#[test]
fn the_explanation_names_what_was_understood_and_what_was_not() {
    let june = explained("How many critical alerts in June 2025?");
    for word in [
        "number of rows",
        "metrics",
        "alert_type",
        "Critical",
        "2025-06-01 to 2025-06-30",
        "by date",
    ] {
        assert!(june.contains(word), "{june}");
    }
    let unknown = explained("critical alerts by moon phase");
    for word in ["moon", "phase", "metrics", "tickets"] {
        assert!(unknown.contains(word), "{unknown}");
    }
    let twice = explained("critical alerts in June 2025 and in May 2024");
    assert!(twice.contains("two periods"), "{twice}");
}

#[test]
fn the_first_fault_of_the_sentence_is_told() {
    for (sentence, reason) in [
        ("critical alerts warning in 2024 and yesterday", "two values in one column"),
        ("critical alerts in 2024 and yesterday, warning", "two periods"),
    ] {
        let explanation = explained(sentence);
        assert!(explanation.contains(reason), "{sentence}: {explanation}");
    }
}

/// The window that a sentence asks for on 2 August 2025, and what may be asked in its place.
fn window(sentence: &str) -> String {
    let Interpretation::Query { sql, .. } = interpret(sentence, &schema(), day("2025-08-02"))
    else {
        panic!("{sentence} is not understood");
    };
    let slots = Draft::parse(&sql, &Gate::default()).unwrap().assume().unwrap().slots;
    let now = "2025-08-02T12:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let now = now.with_timezone(&chrono_tz::Tz::UTC);
    let window = Window::resolve(&slots, &WindowRequest::default(), now).unwrap();
    let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    let days = window.day_range.map(|days| format!(" {days} days")).unwrap_or_default();
    format!("{}..{}{days}", day(window.start_date), day(window.end_date))
}

#[test]
fn every_period_is_a_default_that_callers_can_change() {
    for (period, expected) in [
        ("", "2025-07-03..2025-08-02"),
        ("from March 2025 to April 2025", "2025-03-01..2025-04-30"),
        ("in June 2025", "2025-06-01..2025-06-30"),
        ("in June and July", "2025-06-01..2025-07-31"),
        ("on 12 June 2025", "2025-06-12..2025-06-12"),
        ("last 7 days", ".. 7 days"),
        ("in the past 3 weeks", ".. 21 days"),
        ("today", "2025-08-02..2025-08-02"),
        ("yesterday", "2025-08-01..2025-08-01"),
        ("this week", "2025-07-28..2025-08-03"),
        ("last week", "2025-07-21..2025-07-27"),
        ("this month", "2025-08-01..2025-08-31"),
        ("last month", "2025-07-01..2025-07-31"),
        ("the last month", "2025-07-02..2025-08-02"),
        ("last 3 months", "2025-05-02..2025-08-02"),
        ("this quarter", "2025-07-01..2025-09-30"),
        ("last quarter", "2025-04-01..2025-06-30"),
        ("this year", "2025-01-01..2025-12-31"),
        ("last year", "2024-01-01..2024-12-31"),
        ("year to date", "2025-01-01..2025-08-02"),
        ("since 2025-01-15", "2025-01-15..2025-08-02"),
        ("after March 2025", "2025-04-01..2025-08-02"),
        ("until March 2025", "..2025-03-31"),
        ("before 2025", "..2024-12-31"),
    ] {
        for table in ["critical alerts", "paid order", "open tickets"] {
            assert_eq!(window(&format!("{table} {period}")), expected, "{table} {period}");
        }
    }
    assert_eq!(window("critical alerts of all time"), "..");
}

/// Words that the grammar knows, in no order.
fn known_words() -> impl Strategy<Value = String> {
    let words = include_str!("words.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, phrases)| phrases.split(", "))
        .chain([
            "metrics",
            "alerts",
            "tickets",
            "order",
            "critical",
            "need approval",
            "open",
            "paid",
            "obsolescence",
            "parts flagged",
            "hours",
            "type",
            "category",
            "state",
            "last 7 days",
            "in June 2025",
            "2024",
            "5",
            "100",
            "since 2025-01-15",
            "from March to April",
            "'Open'",
            "'x''y'",
            "this quarter",
            "un",
            "unpaid",
            "%",
            ">=",
        ]);
    prop::sample::select(words.collect::<Vec<_>>()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn any_text_gives_a_query_that_parses_or_a_reason(prompt in any::<String>()) {
        holds(&prompt);
    }

    #[test]
    fn any_words_of_the_grammar_do(words in prop::collection::vec(known_words(), 0..12)) {
        holds(&words.join(" "));
    }

    #[test]
    fn any_words_around_a_real_question_do(
        words in prop::collection::vec(known_words(), 0..4), junk in "[ -~]{0,40}"
    ) {
        holds(&format!("{} tickets by state in 2025 {junk}", words.join(" ")));
    }
}
