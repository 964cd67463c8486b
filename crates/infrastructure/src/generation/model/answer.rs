//! Parses a model's answer as a suggestion. Must trust nothing but its shape.

use metricd_application::ports::{GenerateError, Suggestion};
use serde::Deserialize;
use serde_json::{Value, json};

/// The maximum number of characters of an explanation.
const MAX_EXPLANATION: usize = 500;
/// The maximum number of braces that are tried as the start of the answer.
const MAX_BEGINNINGS: usize = 64;

#[derive(Debug, Deserialize)]
struct Answer {
    understood: bool,
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    explanation: Option<String>,
}

/// The shape of an answer, as a JSON schema.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "understood": { "type": "boolean" },
            "sql": { "type": ["string", "null"] },
            "explanation": { "type": "string" },
        },
        "required": ["understood", "sql", "explanation"],
        "additionalProperties": false,
    })
}

/// Parses the suggestion in a text, which may have other words around it: not every server enforces a
/// schema.
///
/// # Errors
/// [`GenerateError::Unreadable`], worded for the model.
pub(super) fn read(text: &str) -> Result<Suggestion, GenerateError> {
    let unreadable = |why: &str| GenerateError::Unreadable(why.to_owned());
    let answer = find(text).ok_or_else(|| {
        unreadable("it holds no JSON object with `understood`, `sql` and `explanation`")
    })?;
    let explanation = shown(answer.explanation.as_deref().unwrap_or_default());
    if !answer.understood {
        let explanation = if explanation.is_empty() {
            "The tables cannot answer the sentence.".to_owned()
        } else {
            explanation
        };
        return Ok(Suggestion::NotUnderstood { explanation });
    }
    match answer.sql.as_deref().map(str::trim).filter(|sql| !sql.is_empty()) {
        Some(sql) => Ok(Suggestion::Query { sql: sql.to_owned(), explanation }),
        None => Err(unreadable("`understood` is true, but there is no `sql`")),
    }
}

/// Returns the last object of the right shape: a model that reasons aloud ends with its answer.
fn find(text: &str) -> Option<Answer> {
    let beginnings = text.match_indices('{').map(|(at, _)| at);
    let mut found = None;
    let mut end = 0;
    for at in beginnings.take(MAX_BEGINNINGS) {
        if at < end {
            continue;
        }
        let mut objects = serde_json::Deserializer::from_str(&text[at..]).into_iter();
        if let Some(Ok(answer)) = objects.next() {
            found = Some(answer);
            end = at + objects.byte_offset();
        }
    }
    found
}

/// Returns a model's text on one line, without control characters.
fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_plain = |c: &char| !c.is_control() && !is_invisible(*c);
    words.join(" ").chars().filter(is_plain).take(MAX_EXPLANATION).collect()
}

/// Whether a character changes the direction of a text or is invisible.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> String {
        match read(text) {
            Ok(Suggestion::Query { sql, .. }) => sql,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn unreadable(text: &str) -> String {
        match read(text) {
            Err(GenerateError::Unreadable(why)) => why,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn an_answer_is_found_among_other_words() {
        let answer = r#"{"understood": true, "sql": "SELECT '{' AS x", "explanation": "A brace."}"#;
        for text in [
            answer.to_owned(),
            format!("\u{feff}\n{answer}\n"),
            format!("```json\n{answer}\n```"),
            format!("<think>maybe {{x}} or {{\"understood\": false}}</think>{answer}"),
            format!("Sure! {{not json}} Here you are:\n{answer} I hope it helps {{"),
            answer.replace('}', ", \"confidence\": 1}"),
        ] {
            assert_eq!(query(&text), "SELECT '{' AS x");
        }
    }

    #[test]
    fn a_text_without_an_answer_is_unreadable() {
        for text in [
            "",
            "SELECT 1",
            "{",
            "[]",
            "null",
            "{}",
            r#"{"sql": "SELECT 1", "explanation": ""}"#,
            r#"{"understood": "yes", "sql": "SELECT 1"}"#,
            r#"{"understood": true, "sql": ["SELECT 1"]}"#,
            r#"{"understood": true, "sql": "SELECT 1"#,
        ] {
            assert!(unreadable(text).starts_with("it holds no JSON"), "{text}");
        }
        for text in [
            r#"{"understood": true}"#,
            r#"{"understood": true, "sql": null}"#,
            r#"{"understood": true, "sql": " \n "}"#,
        ] {
            assert_eq!(unreadable(text), "`understood` is true, but there is no `sql`");
        }
    }

    #[test]
    fn a_model_may_say_that_it_does_not_understand() {
        let explained = |text: &str| match read(text) {
            Ok(Suggestion::NotUnderstood { explanation }) => explanation,
            other => panic!("{other:?}"),
        };
        let text =
            r#"{"understood": false, "sql": "DROP TABLE metrics", "explanation": "No prices."}"#;
        assert_eq!(explained(text), "No prices.");
        let default = "The tables cannot answer the sentence.";
        assert_eq!(explained(r#"{"understood": false}"#), default);
        assert_eq!(explained(r#"{"understood": false, "explanation": null}"#), default);
    }

    #[test]
    fn an_explanation_is_one_short_plain_line() {
        assert_eq!(shown("a\n\tb \u{1b}[31m\u{202e}c\u{0}"), "a b [31mc");
        assert_eq!(shown(&"é".repeat(9_999)).chars().count(), MAX_EXPLANATION);
    }

    #[test]
    fn a_wall_of_braces_costs_little() {
        assert!(unreadable(&"{".repeat(200_000)).starts_with("it holds"));
        assert!(unreadable(&"{\"a\":".repeat(50_000)).starts_with("it holds"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[{}\"a-z:, ]*") {
            let _ = read(&text);
        }

        #[test]
        fn sql_is_found_among_any_other_words(
            sql in "[^\\s\\PC]\\PC*[^\\s\\PC]",
            before in "[^{]*",
            after in "[^{]*",
        ) {
            let answer = json!({ "understood": true, "sql": sql, "explanation": "x" });
            prop_assert_eq!(query(&format!("{before}{answer}{after}")), sql);
        }
    }
}
