//! What is wrong with a request: where, and why, for people and for programs.
//!
//! Must never hold a value that the client sent outside of a message: [`ValidationError::summary`] is logged. Names of
//! parameters and fields that the client made up are logged.

use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use serde::Serialize;
use utoipa::ToSchema;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct ValidationError {
    /// Where: `path`, `query`, `header` or `body`, then keys and positions.
    #[schema(example = json!(["query", "start_date"]))]
    loc: Vec<LocationStep>,
    /// What is wrong, for people.
    #[schema(example = "must be a real date written as YYYY-MM-DD, such as 2025-06-30")]
    msg: String,
    /// What is wrong, for programs.
    #[serde(rename = "type")]
    #[schema(example = "date_parsing")]
    kind: &'static str,
}

/// A step of a path into a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Step)]
pub(crate) enum LocationStep {
    Key(String),
    Position(usize),
}

impl ValidationError {
    /// Returns an error at the keys of `loc`.
    pub(crate) fn at(loc: &[&str], kind: &'static str, msg: impl Into<String>) -> Self {
        let loc = loc.iter().map(|key| LocationStep::Key((*key).to_owned())).collect();
        Self { loc, msg: msg.into(), kind }
    }

    /// Returns an error at a place in the body.
    pub(crate) fn in_body(at: ValuePointerRef<'_>, kind: &'static str, msg: &str) -> Self {
        Self { loc: body_path(at), msg: msg.to_owned(), kind }
    }

    /// Places the error on a line of the body.
    pub(crate) fn on_line(mut self, line: u64) -> Self {
        self.loc.insert(1, LocationStep::Position(usize::try_from(line).unwrap_or(usize::MAX)));
        self
    }

    /// Returns the error for logs, without its message, which may hold what the client sent.
    pub(crate) fn summary(&self) -> String {
        let steps: Vec<String> = self
            .loc
            .iter()
            .map(|step| match step {
                LocationStep::Key(key) => key.clone(),
                LocationStep::Position(position) => position.to_string(),
            })
            .collect();
        format!("{}: {}", steps.join("."), self.kind)
    }
}

/// All errors of a part of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ValidationErrors(pub(crate) Vec<ValidationError>);

impl ValidationErrors {
    /// The most errors that are collected from a body: more are of no use to the client, and each costs the
    /// server more than the client.
    pub(crate) const MOST: usize = 100;

    /// Continues reading as long as there are not too many errors.
    fn continue_or_stop(self) -> ControlFlow<Self, Self> {
        if self.0.len() < Self::MOST {
            ControlFlow::Continue(self)
        } else {
            ControlFlow::Break(self)
        }
    }
}

/// The most characters that are shown of a name that a client made up.
const MAX_NAME_CHARS: usize = 100;

/// Returns the beginning of a name that a client made up.
pub(crate) fn clipped(name: &str) -> String {
    match name.char_indices().nth(MAX_NAME_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Returns what is wrong with a name that is none of `known`: the nearest of them, and all.
pub(crate) fn unknown(name: &str, known: &[impl AsRef<str>]) -> String {
    if known.is_empty() {
        return "is unknown, and nothing is accepted here".to_owned();
    }
    let all: Vec<_> = known.iter().map(AsRef::as_ref).collect();
    let all = all.join(", ");
    match nearest(name, known) {
        Some(nearest) => format!("is unknown: did you mean {nearest}? Known are {all}"),
        None => format!("is unknown: known are {all}"),
    }
}

/// From 0 to 1: names that are less similar have nothing to do with each other.
const LEAST_SIMILARITY: f64 = 0.6;

/// From 0 to 1: names that are so similar are one name, misspelt.
const MISSPELT_SIMILARITY: f64 = 0.95;

/// Returns the known name that `name` is a misspelling of.
pub(crate) fn misspelt<'a>(name: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let nearest = nearest(name, known)?;
    let is_like =
        strsim::jaro_winkler(&joined(nearest), &joined(&clipped(name))) >= MISSPELT_SIMILARITY;
    is_like.then_some(nearest)
}

/// How words are joined is what is most often mistaken.
fn joined(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn nearest<'a>(name: &str, known: &'a [impl AsRef<str>]) -> Option<&'a str> {
    let name = joined(&clipped(name));
    let known = known.iter().map(AsRef::as_ref);
    let similar = known.map(|known| (strsim::jaro_winkler(&joined(known), &name), known));
    let similar = similar.filter(|(similarity, _)| *similarity >= LEAST_SIMILARITY);
    similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, known)| known)
}

impl From<ValidationError> for ValidationErrors {
    fn from(fault: ValidationError) -> Self {
        Self(vec![fault])
    }
}

impl MergeWithError<ValidationErrors> for ValidationErrors {
    fn merge(
        collected: Option<Self>,
        mut other: ValidationErrors,
        _: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut errors = collected.unwrap_or_default();
        errors.0.append(&mut other.0);
        errors.continue_or_stop()
    }
}

/// A value that its domain type rejects, such as a name that is too long.
#[derive(Debug)]
pub(crate) struct InvalidValue {
    kind: &'static str,
    msg: String,
}

impl InvalidValue {
    /// A value that breaks a rule.
    pub(crate) fn value(msg: impl Into<String>) -> Self {
        Self { kind: "value_error", msg: msg.into() }
    }

    /// A number that is too small or too large.
    pub(crate) fn range(msg: impl Into<String>) -> Self {
        Self { kind: "out_of_range", msg: msg.into() }
    }

    /// A text that is not a date.
    pub(crate) fn date(msg: impl Into<String>) -> Self {
        Self { kind: "date_parsing", msg: msg.into() }
    }
}

impl MergeWithError<InvalidValue> for ValidationErrors {
    fn merge(
        collected: Option<Self>,
        other: InvalidValue,
        at: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut errors = collected.unwrap_or_default();
        errors.0.push(ValidationError { loc: body_path(at), msg: other.msg, kind: other.kind });
        errors.continue_or_stop()
    }
}

impl DeserializeError for ValidationErrors {
    fn error<V: IntoValue>(
        collected: Option<Self>,
        error: ErrorKind<'_, V>,
        at: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut loc = body_path(at);
        let (kind, msg) = match error {
            ErrorKind::IncorrectValueKind { accepted, .. } => wrong_kind(accepted),
            ErrorKind::MissingField { field } => {
                loc.push(LocationStep::Key(field.to_owned()));
                ("missing", "is required".to_owned())
            }
            ErrorKind::UnknownValue { accepted, .. } => {
                ("value_error", format!("must be one of {}", accepted.join(", ")))
            }
            ErrorKind::UnknownKey { key, accepted } => {
                loc.push(LocationStep::Key(clipped(key)));
                ("unknown", unknown(key, accepted))
            }
            ErrorKind::BadSequenceLen { expected, .. } => {
                ("value_error", format!("must have {expected} entries"))
            }
            // All whole numbers of the bodies are of this size.
            ErrorKind::Unexpected { .. } => {
                ("out_of_range", format!("must be from {} to {}", i32::MIN, i32::MAX))
            }
        };
        let mut errors = collected.unwrap_or_default();
        errors.0.push(ValidationError { loc, msg, kind });
        errors.continue_or_stop()
    }
}

fn wrong_kind(accepted: &[ValueKind]) -> (&'static str, String) {
    let (kind, name) = if accepted.contains(&ValueKind::Float) {
        ("float_type", "a number")
    } else if accepted.iter().any(|k| matches!(k, ValueKind::Integer | ValueKind::NegativeInteger))
    {
        ("int_type", "a whole number")
    } else if accepted.contains(&ValueKind::Boolean) {
        ("bool_type", "true or false")
    } else if accepted.contains(&ValueKind::String) {
        ("string_type", "a text")
    } else if accepted.contains(&ValueKind::Sequence) {
        ("list_type", "a list")
    } else {
        ("object_type", "an object")
    };
    (kind, format!("must be {name}"))
}

fn body_path(at: ValuePointerRef<'_>) -> Vec<LocationStep> {
    fn walk(at: ValuePointerRef<'_>, steps: &mut Vec<LocationStep>) {
        match at {
            ValuePointerRef::Origin => {}
            ValuePointerRef::Key { key, prev } => {
                walk(*prev, steps);
                steps.push(LocationStep::Key(clipped(key)));
            }
            ValuePointerRef::Index { index, prev } => {
                walk(*prev, steps);
                steps.push(LocationStep::Position(index));
            }
        }
    }
    let mut steps = vec![LocationStep::Key("body".to_owned())];
    walk(at, &mut steps);
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_nearest_known_name_is_named() {
        let known = ["start_date", "end_date", "day_range", "timezone"];
        for (name, expected) in [
            ("start", "start_date"),
            ("startDate", "start_date"),
            ("END-DATE", "end_date"),
            ("days", "day_range"),
            ("tz", "timezone"),
            ("timeZone", "timezone"),
            ("from", ""),
        ] {
            assert_eq!(nearest(name, &known).unwrap_or_default(), expected, "{name}");
            assert!(unknown(name, &known).contains("day_range, timezone"), "{name}");
        }
        assert_eq!(nearest("start", &[] as &[&str]), None);
        assert_eq!(clipped(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }

    #[test]
    fn the_number_of_collected_errors_is_bounded() {
        let errors = |texts: usize| {
            let body = json!(vec![vec!["x"; 10]; texts / 10]);
            deserr::deserialize::<Vec<Vec<i32>>, _, ValidationErrors>(body).unwrap_err().0.len()
        };
        assert_eq!(errors(70), 70);
        assert_eq!(errors(100_000), ValidationErrors::MOST);
    }
}
