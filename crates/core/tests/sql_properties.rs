//! What must hold for any SQL: printing is stable, placeholders are tokens, and no text panics.

use metricd_core::sql::{Draft, Gate, leading_comment};
use proptest::prelude::*;

/// The corpus, with the names of its files.
fn corpus() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut files: Vec<_> = [folder.to_owned(), format!("{folder}/placeholders")]
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
        .map(|file| file.unwrap().path())
        .filter(|path| path.file_name().unwrap().as_encoded_bytes()[0].is_ascii_digit())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// What PostgreSQL's own grammar makes of `sql` and prints again.
fn reprinted(sql: &str) -> String {
    let parsed = pg_query::parse(sql, 0).unwrap_or_else(|error| panic!("{error}: {sql}"));
    pg_query::deparse(&parsed.protobuf, pg_query::DeparseOptions::default()).unwrap()
}

#[test]
fn the_corpus_is_large_and_named() {
    let corpus = corpus();
    assert!(corpus.len() >= 200, "{}", corpus.len());
    for (file, sql) in corpus {
        assert!(leading_comment(&sql).is_some(), "{file}");
        assert!(sql.to_uppercase().contains("ORDER BY"), "{file}");
    }
}

#[test]
fn the_corpus_prints_stably() {
    for (file, sql) in corpus() {
        let template = Draft::parse(&sql, &Gate::default())
            .unwrap_or_else(|e| panic!("{file}: {e}"))
            .assume()
            .unwrap();
        assert_eq!(reprinted(&template.sql), template.sql, "{file}");
        let highest = (1..99).take_while(|n| template.sql.contains(&format!("${n}"))).count();
        assert_eq!(highest, template.parameters.len(), "{file}");
    }
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}[0-9]".prop_map(|name| name),
        "[A-Za-z :é]{1,8}".prop_map(|name| format!("\"{name}\"")),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        name(),
        (name(), name()).prop_map(|(table, column)| format!("{table}.{column}")),
        any::<i32>().prop_map(|number| number.to_string()),
        (0_u32..9999, 0_u32..99).prop_map(|(whole, part)| format!("{whole}.{part:02}")),
        "[a-z :é]{0,12}".prop_map(|text| format!("'{text}'")),
        "2025-0[1-6]-[0-2][1-8]".prop_map(|day| format!("'{day}'")),
        prop::sample::select(vec![
            "NULL",
            "true",
            "CURRENT_DATE",
            "now()",
            ":start_date",
            ":end_date",
            ":day_range",
            ":timezone",
            "INTERVAL '7' DAY",
            "DATE 'today'",
            "'today'",
            "' Yesterday'",
            "'now UTC'",
            "'7 days'::interval",
        ])
        .prop_map(str::to_owned),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    expression_over(value())
}

fn expression_over(
    value: impl Strategy<Value = String> + 'static,
) -> impl Strategy<Value = String> {
    value.prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+",
            "-",
            "*",
            "/",
            "%",
            "^",
            "||",
            "=",
            "<>",
            "<",
            "<=",
            ">",
            ">=",
            "AND",
            "OR",
            "LIKE",
            "IS DISTINCT FROM",
            "->>",
            "@>",
            "~",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, op, b)| format!("({a}) {op} ({b})")),
            inner.clone().prop_map(|a| format!("NOT ({a})")),
            inner.clone().prop_map(|a| format!("- ({a})")),
            inner.clone().prop_map(|a| format!("({a})::text")),
            // A zone that a query makes is refused.
            inner.clone().prop_map(|a| format!("({a}) AT TIME ZONE 'Europe/Berlin'")),
            inner.clone().prop_map(|a| format!("CAST({a} AS numeric(10, 2))")),
            inner.clone().prop_map(|a| format!("({a}) IS NOT NULL")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("({a}) BETWEEN ({b}) AND ({c})")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("CASE WHEN {a} THEN {b} ELSE {c} END")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) IN ({b}, 1)")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("sum({a}) FILTER (WHERE {b})")),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| format!("rank() OVER (PARTITION BY {a} ORDER BY {b} DESC)")),
            inner.clone().prop_map(|a| format!("ARRAY[{a}]")),
            inner.clone().prop_map(|a| format!("EXISTS (SELECT 1 FROM t WHERE {a})")),
            inner.prop_map(|a| format!("(SELECT {a} FROM t LIMIT 1)")),
        ]
    })
}

fn select() -> impl Strategy<Value = String> {
    let parts = (expression(), name(), name(), expression(), expression());
    parts.prop_flat_map(|(target, alias, table, on, condition)| {
        let from = prop::sample::select(vec![
            format!("{table} AS {alias}"),
            format!("{table} LEFT JOIN b ON {on}"),
            format!("(SELECT {target} FROM {table}) AS {alias}"),
            format!("{table}, LATERAL (SELECT {on}) AS l"),
            format!("generate_series(1, 3) AS {alias}"),
        ]);
        let tail = prop::sample::select(vec![
            String::new(),
            format!("GROUP BY {on} HAVING {condition}"),
            format!("UNION ALL SELECT {on} FROM {table}"),
            "ORDER BY 1 LIMIT 3".to_owned(),
        ]);
        let head = prop::sample::select(vec![
            String::new(),
            format!("WITH {alias} AS (SELECT {on}) "),
            "WITH RECURSIVE r (n) AS (SELECT 1 UNION SELECT n + 1 FROM r) ".to_owned(),
        ]);
        (head, from, tail).prop_map(move |(head, from, tail)| {
            format!("{head}SELECT {target} AS {alias}, {on} FROM {from} WHERE {condition} {tail}")
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_select_reads_back_as_it_was_written(sql in select()) {
        // `parse` itself compares the trees, and refuses what does not read back.
        let draft = Draft::parse(&sql, &Gate::default()).map_err(|e| TestCaseError::fail(format!("{e}: {sql}")))?;
        prop_assert_eq!(reprinted(draft.sql()), draft.sql());
        let template = draft.assume().unwrap();
        prop_assert!(Gate::default().recheck(&template).is_ok());
        prop_assert_eq!(reprinted(&template.sql), &*template.sql);
        let highest = (1..99).take_while(|n| template.sql.contains(&format!("${n}"))).count();
        prop_assert_eq!(highest, template.parameters.len());
    }

    #[test]
    fn a_refused_call_is_found_wherever_it_stands(
        call in expression_over(prop::sample::select(vec![
            "pg_sleep(1)",
            "pg_catalog.pg_sleep(1)",
            "\"pg_sleep\"(1)",
            "U&\"pg\\005Fsleep\"(1)",
            "t.pg_sleep",
            "(t).pg_sleep",
        ]).prop_map(str::to_owned)),
        place in prop::sample::select(vec![
            "SELECT {} AS a",
            "SELECT 1 AS a FROM t WHERE {}",
            "SELECT 1 AS a FROM t GROUP BY {} HAVING true",
            "SELECT 1 AS a FROM t JOIN u ON {}",
            "SELECT 1 AS a ORDER BY {}",
            "VALUES (1), ({})",
            "WITH w AS (SELECT {} AS a) SELECT a FROM w",
            "SELECT sum(1) OVER (PARTITION BY {}) AS a FROM t",
            "SELECT 1 AS a FROM t, LATERAL (SELECT {}) AS l",
            "SELECT 1 AS a UNION SELECT {}",
        ]),
    ) {
        let sql = place.replace("{}", &call);
        match Draft::parse(&sql, &Gate::default()) {
            // The database is asked whether it is a column of the table.
            Ok(draft) => {
                let is_asked = draft.fields().iter().any(|field| field.name == "pg_sleep");
                let is_of_a_table = ["t.pg_sleep", "(t).pg_sleep"].iter().any(|name| sql.contains(name));
                prop_assert!(is_asked && is_of_a_table, "{}", sql);
            }
            Err(error) => {
                let error = error.to_string();
                let found =
                    error.contains("pg_sleep() can never") || error.contains("called pg_sleep");
                prop_assert!(found || error.contains("nested too deeply"), "{}: {}", sql, error);
            }
        }
    }

    #[test]
    fn strings_comments_and_quoted_names_are_never_touched(
        text in "[a-z0-9 :$é]{0,8}(:start_date|:end_date|:nope|\\$1)[a-z0-9 :$é]{0,8}",
    ) {
        let sql = format!("SELECT '{text}' AS \"{text}\" /* {text} */ FROM t -- {text}");
        let template = Draft::parse(&sql, &Gate::default()).unwrap().assume().unwrap();
        prop_assert_eq!(template.sql, format!("SELECT '{text}' AS \"{text}\" FROM t"));
        prop_assert!(template.parameters.is_empty());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}|[ -~\n]{0,80}|[:$'\"/*();\\[\\]a-z0-9 -]{0,60}") {
        let _ = Draft::parse(&text, &Gate::default()).map(Draft::assume);
        let _ = leading_comment(&text);
    }

    #[test]
    fn no_mutation_of_the_corpus_panics(
        which: prop::sample::Index,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..5_u8, "\\PC"), 1..6),
    ) {
        let corpus = corpus();
        let mut text: Vec<char> = which.get(&corpus).1.chars().collect();
        for (at, edit, other) in edits {
            let at = at.index(text.len().max(1));
            match edit {
                0 => drop(text.drain(at.min(text.len())..)),
                1 => drop(text.drain(at.min(text.len())..(at + 3).min(text.len()))),
                2 => text.splice(at..at, other.chars()).for_each(drop),
                3 => text.splice(at..at, ":start_date".chars()).for_each(drop),
                _ => text.splice(at..at, "')\"$1;--/*".chars()).for_each(drop),
            }
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = Draft::parse(&text, &Gate::default()).and_then(Draft::assume) {
            prop_assert!(error.line >= 1 && error.column >= 1);
            prop_assert!(error.line as usize <= text.matches('\n').count() + 1);
        }
        let _ = leading_comment(&text);
    }
}
