//! The faults of a file of policies, with their places.

use std::fmt;

use cedar_policy::ffi::DetailedError;
use thiserror::Error;

/// The reason why policies were rejected.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error("the policies in {file} cannot be read")]
    Unreadable {
        /// The file's name, as given.
        file: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file has faults, or no policies.
    #[error("the policies have faults:{}", Listed(.0))]
    Faulty(Vec<PolicyFault>),
}

impl PolicyError {
    /// What is wrong with the text of the policies, if it was read at all.
    #[must_use]
    pub fn faults(&self) -> &[PolicyFault] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Faulty(faults) => faults,
        }
    }
}

struct Listed<'a>(&'a [PolicyFault]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|fault| write!(f, "\n  - {fault}"))
    }
}

/// One fault of a file of policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFault {
    /// The file's name, as given.
    pub file: String,
    /// The place; none for the file as a whole.
    pub position: Option<Position>,
    /// The fault.
    pub message: String,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Position {
    /// Returns the place of the byte `offset` in `text`.
    pub(super) fn at(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// A text of policies and its faults.
pub(super) struct PolicyFaults<'a> {
    file: &'a str,
    text: &'a str,
    faults: Vec<PolicyFault>,
}

impl<'a> PolicyFaults<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, faults: Vec::new() }
    }

    pub(super) fn about_all(&mut self, message: impl Into<String>) {
        self.push(None, message.into());
    }

    pub(super) fn at(&mut self, offset: usize, message: impl Into<String>) {
        self.push(Some(Position::at(self.text, offset)), message.into());
    }

    /// Adds a fault with Cedar's own message. `offset` is where the policy begins, for the rare error
    /// that has no place of its own.
    pub(super) fn cedar(&mut self, error: DetailedError, offset: Option<usize>) {
        let label = error.source_locations.first();
        let position =
            label.map(|label| label.loc.start).or(offset).map(|at| Position::at(self.text, at));
        let mut message = error.message;
        for more in [label.and_then(|label| label.label.clone()), error.help].into_iter().flatten()
        {
            message = format!("{message}; {more}");
        }
        self.push(position, message);
    }

    fn push(&mut self, position: Option<Position>, message: String) {
        self.faults.push(PolicyFault { file: self.file.to_owned(), position, message });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Returns all faults, in the order of the file.
    pub(super) fn into_error(mut self) -> PolicyError {
        self.faults.sort_by(|a, b| (a.position, &a.message).cmp(&(b.position, &b.message)));
        self.faults.dedup();
        PolicyError::Faulty(self.faults)
    }
}
