//! What the database reports of authors' SQL, as errors of the port.
//!
//! Must never repeat a value of a row.

use metricd_application::ports::RunError;

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
            let hint = fault.hint().or(is_newer.then_some(NEWER_SYNTAX));
            RunError::Rejected {
                message: match hint {
                    Some(hint) => format!("{} ({hint})", fault.message()),
                    None => fault.message().to_owned(),
                },
            }
        }
        _ => run_error(error),
    }
}

/// Of a statement that was planned. Planning computes what is constant, and the claims of a caller are:
/// their values are not repeated.
pub(super) fn cost_error(error: sqlx::Error) -> RunError {
    match (pg_error(&error).map(DatabaseFault::of), describe_error(error)) {
        (Some(fault), RunError::Rejected { .. }) => RunError::Rejected { message: fault.message },
        (_, other) => other,
    }
}

/// Of a statement that was run.
pub(super) fn run_error(error: sqlx::Error) -> RunError {
    if is_unavailable(&error) {
        return RunError::Unavailable(error.into());
    }
    match pg_error(&error) {
        // lock_not_available: the lock will be released
        Some(fault) if fault.code() == "55P03" => {
            RunError::Unavailable(DatabaseFault::of(fault).into())
        }
        Some(fault) if fault.code() == "57014" => RunError::Deadline,
        Some(fault) => RunError::Failed(DatabaseFault::while_reading(fault).into()),
        None => RunError::Failed(error.into()),
    }
}
