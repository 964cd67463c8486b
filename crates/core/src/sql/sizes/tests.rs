use crate::sql::{Draft, Gate};

fn refusal(sql: &str) -> Option<String> {
    Draft::parse(sql, &Gate::default()).err().map(|error| error.to_string())
}

fn blocks(file: &'static str) -> Vec<&'static str> {
    let blocks = file.split("\n\n").map(str::trim).filter(|block| !block.is_empty());
    blocks.filter(|block| block.lines().any(|line| !line.starts_with("--"))).collect()
}

#[test]
fn a_step_that_nothing_ends_is_refused() {
    let wrong: Vec<_> = blocks(include_str!("unending.sql"))
        .into_iter()
        .filter_map(|sql| match refusal(sql) {
            Some(error) if error.contains("that no time limit ends") => None,
            other => Some(format!("{sql}\n  {other:?}")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_bounded_is_not_refused() {
    let wrong: Vec<_> = blocks(include_str!("bounded.sql"))
        .into_iter()
        .filter_map(|sql| refusal(sql).map(|error| format!("{sql}\n  {error}")))
        .collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_statement_that_grows_while_it_is_planned_is_refused() {
    let doubling = |levels: usize, how: &str, from: &str| {
        let mut ctes = vec!["c0 AS (SELECT 1 AS x FROM metrics)".to_owned()];
        ctes.extend((1..=levels).map(|level| {
            let from = from.replace("PREVIOUS", &format!("c{}", level - 1));
            format!("c{level} AS {how} ({from})")
        }));
        format!("WITH {} SELECT x FROM c{levels}", ctes.join(", "))
    };
    let tables = "SELECT a.x FROM PREVIOUS a, PREVIOUS b";
    for (levels, how, is_refused) in [
        (9, "NOT MATERIALIZED", false),
        (10, "NOT MATERIALIZED", true),
        (19, "NOT MATERIALIZED", true),
        (19, "MATERIALIZED", false),
        (19, "", false),
    ] {
        let error = refusal(&doubling(levels, how, tables));
        let is_told = error.as_ref().is_some_and(|error| error.contains("more than 1000 tables"));
        assert_eq!(
            (error.is_some(), is_told),
            (is_refused, is_refused),
            "{levels} {how}: {error:?}"
        );
    }
    let expression = "SELECT x || x AS x FROM PREVIOUS";
    for (levels, how, is_refused) in [(12, "", false), (20, "", true), (20, "MATERIALIZED", false)]
    {
        let error = refusal(&doubling(levels, how, expression));
        let is_told = error.as_ref().is_some_and(|error| error.contains("more than 100000 parts"));
        assert_eq!(
            (error.is_some(), is_told),
            (is_refused, is_refused),
            "{levels} {how}: {error:?}"
        );
    }
    let nested = (0..20).fold("SELECT 'a' AS x".to_owned(), |inner, level| {
        format!("SELECT x || x AS x FROM ({inner}) AS t{level}")
    });
    assert!(refusal(&nested).is_some_and(|error| error.contains("more than 100000 parts")));
}
