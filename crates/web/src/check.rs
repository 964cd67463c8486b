//! Validation that finds all faults at once: of the path, the query string and the body together.

use std::ops::ControlFlow;

use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValueKind, ValuePointerRef};
use metricd_application::{authorize, context::Context};
use metricd_core::{
    actor::{Action, Actor},
    audit::AuditedObject,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// Where: `path`, `query`, `header` or `body`, then keys and positions.
    #[schema(example = json!(["query", "start_date"]))]
    loc: Vec<Step>,
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
pub(crate) enum Step {
    Key(String),
    Position(usize),
}

impl Fault {
    /// A fault at the keys of `loc`.
    pub(crate) fn at(loc: &[&str], kind: &'static str, msg: impl Into<String>) -> Self {
        let loc = loc.iter().map(|key| Step::Key((*key).to_owned())).collect();
        Self { loc, msg: msg.into(), kind }
    }

    /// The same fault, of a line of the body.
    pub(crate) fn on_line(mut self, line: u64) -> Self {
        self.loc.insert(1, Step::Position(usize::try_from(line).unwrap_or(usize::MAX)));
        self
    }

    /// The fault without its message, which may hold what a caller sent: for logs.
    pub(crate) fn summary(&self) -> String {
        let steps: Vec<String> = self
            .loc
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.clone(),
                Step::Position(position) => position.to_string(),
            })
            .collect();
        format!("{}: {}", steps.join("."), self.kind)
    }
}

/// Everything that is wrong with a part of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Faults(pub(crate) Vec<Fault>);

impl Faults {
    /// The most faults that are looked for in a body: nobody corrects more at a time, and each costs
    /// the server more than it costs whoever makes them.
    pub(crate) const MOST: usize = 100;

    /// Goes on reading as long as there are not too many faults.
    fn go_on(self) -> ControlFlow<Self, Self> {
        if self.0.len() < Self::MOST {
            ControlFlow::Continue(self)
        } else {
            ControlFlow::Break(self)
        }
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

/// A part of a request, or why it cannot be used. Extractors give this instead of failing, so that
/// rights come before everything else and all faults come at once.
pub(crate) struct Checked<T> {
    part: Result<T, Unusable>,
    /// What the request is about, as far as its path says.
    object: AuditedObject,
}

enum Unusable {
    /// It was read and has faults.
    Faulty(Faults),
    /// It could not be read at all.
    Unread(Problem),
}

impl<T> From<Result<T, Faults>> for Checked<T> {
    fn from(read: Result<T, Faults>) -> Self {
        Self { part: read.map_err(Unusable::Faulty), object: AuditedObject::Catalog }
    }
}

impl<T> Checked<T> {
    /// A part that could not be read.
    pub(crate) fn unread(problem: Problem) -> Self {
        Self { part: Err(Unusable::Unread(problem)), object: AuditedObject::Catalog }
    }

    /// The same, of a request about `object`.
    pub(crate) fn about(self, object: AuditedObject) -> Self {
        Self { object, ..self }
    }

    /// Both parts, or the faults of both. What the request is about, this part says.
    pub(crate) fn and<U>(self, other: Checked<U>) -> Checked<(T, U)> {
        let part = match (self.part, other.part) {
            (Ok(left), Ok(right)) => Ok((left, right)),
            (Err(Unusable::Faulty(mut left)), Err(Unusable::Faulty(right))) => {
                left.0.extend(right.0);
                Err(Unusable::Faulty(left))
            }
            (Err(unread @ Unusable::Unread(_)), _) | (_, Err(unread @ Unusable::Unread(_))) => {
                Err(unread)
            }
            (Err(faulty), Ok(_)) | (Ok(_), Err(faulty)) => Err(faulty),
        };
        Checked { part, object: self.object }
    }

    /// The part, for a use case that asks for leave before it does anything else. Of its faults nobody
    /// learns but a caller who may do `action`.
    pub(crate) async fn accept(
        self,
        actor: &Actor,
        context: &Context,
        action: Action,
    ) -> Result<T, Problem> {
        let unusable = match self.part {
            Ok(part) => return Ok(part),
            Err(unusable) => unusable,
        };
        Box::pin(authorize(actor, context, action, self.object)).await?;
        Err(match unusable {
            Unusable::Faulty(faults) => Problem::invalid(faults),
            Unusable::Unread(problem) => problem,
        })
    }
}

impl MergeWithError<Faults> for Faults {
    fn merge(
        collected: Option<Self>,
        mut other: Faults,
        _: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut faults = collected.unwrap_or_default();
        faults.0.append(&mut other.0);
        faults.go_on()
    }
}

/// A value that its own type refuses, such as a name that is too long.
#[derive(Debug)]
pub(crate) struct Refused {
    kind: &'static str,
    msg: String,
}

impl Refused {
    /// A value that breaks a rule.
    pub(crate) fn value(msg: impl Into<String>) -> Self {
        Self { kind: "value_error", msg: msg.into() }
    }

    /// A number that is too small or too large.
    pub(crate) fn range(msg: impl Into<String>) -> Self {
        Self { kind: "out_of_range", msg: msg.into() }
    }

    /// A text that is no date.
    pub(crate) fn date(msg: impl Into<String>) -> Self {
        Self { kind: "date_parsing", msg: msg.into() }
    }
}

impl MergeWithError<Refused> for Faults {
    fn merge(
        collected: Option<Self>,
        other: Refused,
        at: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut faults = collected.unwrap_or_default();
        faults.0.push(Fault { loc: body_path(at), msg: other.msg, kind: other.kind });
        faults.go_on()
    }
}

impl DeserializeError for Faults {
    fn error<V: IntoValue>(
        collected: Option<Self>,
        error: ErrorKind<'_, V>,
        at: ValuePointerRef<'_>,
    ) -> ControlFlow<Self, Self> {
        let mut loc = body_path(at);
        let (kind, msg) = match error {
            ErrorKind::IncorrectValueKind { accepted, .. } => wrong_kind(accepted),
            ErrorKind::MissingField { field } => {
                loc.push(Step::Key(field.to_owned()));
                ("missing", "is required".to_owned())
            }
            ErrorKind::UnknownValue { accepted, .. } => {
                ("value_error", format!("must be one of {}", accepted.join(", ")))
            }
            ErrorKind::UnknownKey { .. } => ("value_error", "is not known".to_owned()),
            ErrorKind::BadSequenceLen { expected, .. } => {
                ("value_error", format!("must have {expected} entries"))
            }
            // All whole numbers of the bodies are of this size.
            ErrorKind::Unexpected { .. } => {
                ("out_of_range", format!("must be from {} to {}", i32::MIN, i32::MAX))
            }
        };
        let mut faults = collected.unwrap_or_default();
        faults.0.push(Fault { loc, msg, kind });
        faults.go_on()
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

fn body_path(at: ValuePointerRef<'_>) -> Vec<Step> {
    fn walk(at: ValuePointerRef<'_>, steps: &mut Vec<Step>) {
        match at {
            ValuePointerRef::Origin => {}
            ValuePointerRef::Key { key, prev } => {
                walk(*prev, steps);
                steps.push(Step::Key(key.to_owned()));
            }
            ValuePointerRef::Index { index, prev } => {
                walk(*prev, steps);
                steps.push(Step::Position(index));
            }
        }
    }
    let mut steps = vec![Step::Key("body".to_owned())];
    walk(at, &mut steps);
    steps
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nobody_is_told_of_more_faults_than_can_be_read() {
        let faults = |texts: usize| {
            let body = json!(vec![vec!["x"; 10]; texts / 10]);
            deserr::deserialize::<Vec<Vec<i32>>, _, Faults>(body).unwrap_err().0.len()
        };
        assert_eq!(faults(70), 70);
        assert_eq!(faults(100_000), Faults::MOST);
    }
}
