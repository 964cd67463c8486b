//! What the database reports of authors' SQL, as errors of the port.
//!
//! Must never repeat a value of a row but in a [`QueryFault`], which shows them to those who may see them.

use metricd_application::ports::{QueryFault, RunError};
use metricd_core::sql::series_fault;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::db::errors::{DatabaseFault, is_unavailable, pg_error};

/// What to make of a syntax error of a statement that has been parsed once.
const NEWER_SYNTAX: &str =
    "a newer version of PostgreSQL accepts it: `JSON_TABLE` and its kin need version 17";

/// Of a statement that was described: its author learns what is wrong with it.
pub(super) fn describe_error(error: sqlx::Error) -> RunError {
    match pg_error(&error) {
        Some(fault) if !is_unavailable(&error) && !matches!(fault.code(), "57014" | "55P03") => {
            // The gate's parser has read it: this server's is of an older version.
            let is_newer = fault.message().starts_with("syntax error at or near");
            let hint = hint(fault).or(is_newer.then_some(NEWER_SYNTAX));
            let message = match hint {
                Some(hint) => format!("{} ({hint})", fault.message()),
                None => fault.message().to_owned(),
            };
            RunError::Rejected { message, offset: offset_after(0, fault) }
        }
        _ => run_error(error),
    }
}

/// Of a stored statement that was described, planned or run. What the database points at is `before` characters
/// further on than in the template.
pub(super) fn run_error(error: sqlx::Error) -> RunError {
    run_error_after(0, error)
}

/// The same of a statement in which the template's SQL comes after `before` characters.
pub(super) fn run_error_after(before: usize, error: sqlx::Error) -> RunError {
    if is_unavailable(&error) {
        return RunError::Unavailable(error.into());
    }
    if let sqlx::Error::Configuration(_) = error {
        return RunError::UnknownTimezone;
    }
    let Some(fault) = pg_error(&error) else {
        return RunError::Failed(error.into());
    };
    match fault.code() {
        // lock_not_available: the lock will be released
        "55P03" => RunError::Unavailable(DatabaseFault::of(fault).into()),
        "57014" => RunError::Deadline,
        // Of values that the statement makes, and of no table.
        "XX000" if is_too_much(fault.message()) => RunError::Query(QueryFault::new(
            "54000".to_owned(),
            fault.message().to_owned(),
            None,
            None,
        )),
        // Resources, interventions, the system, PostgreSQL's own faults.
        // object_not_in_prerequisite_state: a view that is not filled, say; configuration_limit_exceeded: by the query
        code if ["53", "55", "57", "58", "XX"].contains(&&code[..2])
            && !["55000", "53400"].contains(&code) =>
        {
            RunError::Failed(DatabaseFault::while_reading(fault).into())
        }
        code => {
            let offset = offset_after(before, fault);
            let more: Vec<_> = [fault.detail(), hint(fault)].into_iter().flatten().collect();
            let more = (!more.is_empty()).then(|| more.join(" "));
            // invalid_text_representation
            let by_guard = series_fault(fault.message()).filter(|_| code == "22P02");
            let message = by_guard.unwrap_or(fault.message()).to_owned();
            RunError::Query(QueryFault::new(code.to_owned(), message, more, offset))
        }
    }
}

/// The hint of a fault, if it names nothing: others suggest columns, which may not be granted.
fn hint(fault: &PgDatabaseError) -> Option<&str> {
    fault.hint().filter(|hint| GENERAL_HINTS.contains(hint))
}

/// Hints of PostgreSQL's that are the same whatever a database holds.
const GENERAL_HINTS: [&str; 4] = [
    "No function matches the given name and argument types. You might need to add explicit type casts.",
    "No operator matches the given name and argument types. You might need to add explicit type casts.",
    "No operator matches the given name and argument type. You might need to add an explicit type cast.",
    "Could not choose a best candidate function. You might need to add explicit type casts.",
];

/// Whether PostgreSQL's own fault is that a statement asks for more than a value can have.
fn is_too_much(message: &str) -> bool {
    message.starts_with("invalid memory alloc request size") || message == "tsquery stack too small"
}

/// What the database points at, in characters from 0, `before` of which are not the author's.
fn offset_after(before: usize, fault: &PgDatabaseError) -> Option<usize> {
    match fault.position()? {
        PgErrorPosition::Original(place) => place.checked_sub(before + 1),
        PgErrorPosition::Internal { .. } => None,
    }
}
