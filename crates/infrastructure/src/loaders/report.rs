//! What was found in a file of JSON, in words.

use std::{collections::BTreeSet, io};

use metricd_application::catalog::{Finding, Findings, Place};
use struson::reader::{JsonSyntaxError, ReaderError, SyntaxErrorKind, ValueType};

use super::file::{not_utf8, unreadable};

/// The file's name and what was found in it.
#[derive(Debug)]
pub(super) struct FileReport {
    pub(super) file: String,
    pub(super) findings: Findings,
    unknown: BTreeSet<String>,
}

impl FileReport {
    /// The most unknown names that are reported, so that hostile files do not fill the memory.
    const UNKNOWN_NAMES: usize = 100;

    pub(super) fn new(file: String) -> Self {
        Self { file, findings: Findings::default(), unknown: BTreeSet::new() }
    }

    pub(super) fn reject(
        &mut self,
        line: u64,
        path: impl Into<String>,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let place = Place::value(&self.file, line, path);
        self.findings.add(Finding::rejection(place, message, advice));
    }

    pub(super) fn reject_duplicate(&mut self, line: u64, path: &str, name: &str) {
        self.reject(
            line,
            member(path, name),
            format!("`{name}` occurs twice in one object"),
            "Keep the one that is right.",
        );
    }

    /// Notes a name that means nothing here, the first time it occurs in the file.
    pub(super) fn note_unknown(&mut self, line: u64, path: &str, name: &str) {
        if self.unknown.len() < Self::UNKNOWN_NAMES && self.unknown.insert(name.to_owned()) {
            self.findings.add(Finding::note(
                Place::value(&self.file, line, member(path, name)),
                format!("`{name}` has no meaning here and is ignored, as everywhere in this file"),
                "Check the spelling, or remove it.",
            ));
        }
    }

    /// Rejects a value that is not of the kind that belongs there.
    pub(super) fn reject_kind(&mut self, line: u64, path: &str, wanted: &str, found: ValueType) {
        let found = match found {
            ValueType::Array => "a list",
            ValueType::Object => "an object",
            ValueType::String => "text",
            ValueType::Number => "a number",
            ValueType::Boolean => "a boolean",
            ValueType::Null => "null",
        };
        self.reject(
            line,
            path,
            format!("must be {wanted}, not {found}"),
            format!("Write {wanted}."),
        );
    }

    /// Rejects the rest of the file, which cannot be read past this error.
    pub(super) fn reject_rest(&mut self, error: &ReaderError, path: &str) {
        let finding = match error {
            ReaderError::SyntaxError(JsonSyntaxError { kind, location }) => {
                let empty =
                    location.data_pos == Some(0) && *kind == SyntaxErrorKind::IncompleteDocument;
                let message = if empty {
                    "the file is empty".to_owned()
                } else {
                    let column = location.line_pos.map_or(1, |at| at.column + 1);
                    format!("the file is not JSON from column {column} on: {}", describe(*kind))
                };
                Finding::rejection(
                    Place::value(&self.file, line_of(location), path),
                    message,
                    "Correct the file; what comes after it was not checked.",
                )
            }
            ReaderError::IoError { error, location }
                if error.kind() == io::ErrorKind::InvalidData =>
            {
                not_utf8(Place::value(&self.file, line_of(location), path))
            }
            ReaderError::IoError { error, .. } => unreadable(&self.file, error),
            ReaderError::MaxNestingDepthExceeded { max_nesting_depth, location } => {
                Finding::rejection(
                    Place::value(&self.file, line_of(location), path),
                    format!("lists and objects are nested more than {max_nesting_depth} deep"),
                    "Check that this is the right file.",
                )
            }
            other => Finding::rejection(
                Place::value(&self.file, 1, path),
                format!("the file is not what it should be: {other}"),
                "Check that this is the right file.",
            ),
        };
        self.findings.add(finding);
    }
}

fn describe(kind: SyntaxErrorKind) -> &'static str {
    use SyntaxErrorKind as Kind;
    match kind {
        Kind::CommentsNotEnabled | Kind::IncompleteComment | Kind::BlockCommentNotClosed => {
            "JSON has no comments"
        }
        Kind::InvalidLiteral | Kind::TrailingDataAfterLiteral => {
            "only `true`, `false` and `null` stand without quotes"
        }
        Kind::UnexpectedClosingBracket => "a closing bracket has no opening one",
        Kind::UnexpectedComma => "a comma stands where a value or a name should be",
        Kind::MissingComma => "a comma is missing",
        Kind::TrailingCommaNotEnabled => "a comma stands before a closing bracket",
        Kind::UnexpectedColon => "a colon stands where a value should be",
        Kind::MissingColon => "a colon is missing between a name and its value",
        Kind::MalformedNumber | Kind::TrailingDataAfterNumber => "a number is malformed",
        Kind::ExpectingMemberNameOrObjectEnd => "a name in quotes or `}` should be here",
        Kind::NotEscapedControlCharacter => {
            "a line break or another control character stands inside quotes"
        }
        Kind::UnknownEscapeSequence | Kind::MalformedEscapeSequence => {
            "a backslash sequence is not one of JSON's"
        }
        Kind::UnpairedSurrogatePairEscapeSequence => "half of a surrogate pair stands alone",
        Kind::IncompleteDocument => "it ends too early",
        Kind::TrailingData => "something follows the end",
        _ => "a value should be here",
    }
}

pub(super) fn line_of(position: &struson::reader::JsonReaderPosition) -> u64 {
    position.line_pos.map_or(1, |at| at.line + 1)
}

/// The path of a member of `path`.
pub(super) fn member(path: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { format!("{path}.{name}") } else { format!("{path}[{name:?}]") }
}
