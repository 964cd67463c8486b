//! How a command ends: the one mapping from what an error means to an exit code.
//!
//! 0 to 2 are documented where commands are; the others follow `sysexits.h`.

use std::{error::Error, fmt, process::ExitCode};

use metricd_application::{
    bind::ReadError,
    catalog::ImportError,
    error::{Classify, ErrorKind},
    ports::StoreError,
    tables::{LoadTableError, WatchTableError},
};
use metricd_infrastructure::{db::ConnectError, policy::PolicyError, readiness::NotReady};

/// Files or policies were rejected: nothing was written.
pub(crate) const REJECTED: u8 = 2;

/// Everything that no use case has classified, such as a fault of the settings.
const FAILURE: u8 = 1;

const fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Invalid | ErrorKind::TooExpensive | ErrorKind::Broken => 65,
        ErrorKind::NotFound => 66,
        ErrorKind::Unavailable => 69,
        ErrorKind::Internal => 70,
        ErrorKind::Conflict | ErrorKind::Stale => 73,
        ErrorKind::TooMany | ErrorKind::Busy | ErrorKind::Deadline => 75,
        ErrorKind::Forbidden => 77,
    }
}

/// A use case's error in the words of a command.
#[derive(Debug)]
pub(crate) struct CommandError {
    kind: ErrorKind,
    message: String,
}

impl CommandError {
    /// Says `message` in place of `error`.
    pub(crate) fn new(error: &impl Classify, message: impl Into<String>) -> Self {
        Self { kind: error.classify().cause.kind(), message: message.into() }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CommandError {}

/// The exit code of a command that has failed.
pub(crate) fn code(error: &anyhow::Error) -> ExitCode {
    let of = |error: &(dyn Error + 'static)| match error.downcast_ref() {
        Some(PolicyError::Faulty(_)) => Some(REJECTED),
        _ => kind(error).map(code_of),
    };
    ExitCode::from(error.chain().find_map(of).unwrap_or(FAILURE))
}

fn kind(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    if let Some(error) = error.downcast_ref::<CommandError>() {
        return Some(error.kind);
    }
    if let Some(ConnectError::Server { .. }) = error.downcast_ref() {
        return Some(ErrorKind::Unavailable);
    }
    if error.is::<NotReady>() {
        return Some(ErrorKind::Unavailable);
    }
    let classified = [
        kind_as::<ReadError>,
        kind_as::<ImportError>,
        kind_as::<LoadTableError>,
        kind_as::<WatchTableError>,
        kind_as::<StoreError>,
    ];
    classified.into_iter().find_map(|kind| kind(error))
}

fn kind_as<E: Classify + Error + 'static>(error: &(dyn Error + 'static)) -> Option<ErrorKind> {
    Some(error.downcast_ref::<E>()?.classify().cause.kind())
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use metricd_application::error::Cause;

    use super::*;

    #[test]
    fn an_error_is_found_behind_what_was_said_of_it() {
        let failed = |error: anyhow::Error| format!("{:?}", code(&error));
        let code = |code: u8| format!("{:?}", ExitCode::from(code));
        let missing = || LoadTableError::Missing("public.orders".parse().unwrap());
        assert_eq!(failed(missing().into()), code(66));
        assert_eq!(failed(Err::<(), _>(missing()).context("orders.csv").unwrap_err()), code(66));
        assert_eq!(
            failed(CommandError::new(&ReadError::AwaitingApproval, "wait").into()),
            code(73)
        );
        let unreachable = ConnectError::Server { server: "db:5432".into(), source: "down".into() };
        assert_eq!(failed(unreachable.into()), code(69));
        assert_eq!(failed(PolicyError::Faulty(Vec::new()).into()), code(REJECTED));
        assert_eq!(failed(anyhow::anyhow!("a setting")), code(1));
    }

    #[test]
    fn the_guide_lists_every_cause_with_its_exit_code() {
        let guide = include_str!("../../../../docs/guide/errors.md");
        for cause in Cause::ALL {
            let begin = format!("| `{}` | ", cause.name());
            let row = guide.lines().find_map(|line| line.strip_prefix(&begin));
            let row = row.unwrap_or_else(|| panic!("no row for {}", cause.name()));
            let code = row.split(" | ").nth(1).unwrap();
            assert_eq!(code, code_of(cause.kind()).to_string(), "{}", cause.name());
        }
    }
}
