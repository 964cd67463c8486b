//! The port to a file of rows, which a load reads row by row and more than once.

use std::{io, ops::Range};

use metricd_core::cell::{Cell, Nameless};
use thiserror::Error;

use crate::catalog::Progress;

/// A file of rows.
pub trait TableFile: Send {
    /// Rewinds to the first row.
    ///
    /// # Errors
    /// When the file cannot be read, or its header is invalid.
    fn rewind(&mut self) -> Result<(), TableFileError>;

    /// Returns the next row, or why it is rejected; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn next_row(&mut self) -> Result<Option<Result<&Row, RejectedRow>>, TableFileError>;

    /// Returns the headers or keys seen so far, in the order of their first appearance.
    fn headers(&self) -> &[String];

    /// Returns the progress of reading.
    fn progress(&self) -> Progress;
}

/// The reason why a file as a whole is rejected.
#[derive(Debug, Error)]
pub enum TableFileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is no regular file, and cannot be rewound.
    #[error("the file is read twice, and this is no regular file: save it first")]
    NotAFile,
    /// There is no first line.
    #[error("the file is empty: its first line has to name the columns")]
    NoHeader,
    /// Its last cell is quoted without an end.
    #[error(
        "line {line}: a double quote opens a cell here and is not closed, so that the rest of the file \
         would be in this cell; a quote inside quotes is written twice"
    )]
    UnclosedQuote {
        /// The line where the quote opens, from 1.
        line: u64,
    },
    /// A header names no column.
    #[error("the header of column {position}, `{header}`, {reason}")]
    Nameless {
        /// Which one, from 1.
        position: usize,
        /// As in the file.
        header: String,
        /// Why.
        reason: Nameless,
    },
    /// Two headers name one column.
    #[error("the headers `{first}` and `{second}` both name the column {name}")]
    Twice {
        /// One of them.
        first: String,
        /// The other.
        second: String,
        /// The column.
        name: String,
    },
    /// More columns than a table can have.
    #[error("there are more than {most} columns")]
    TooManyColumns {
        /// The most that there may be.
        most: usize,
    },
}

/// A row that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The line where it begins, from 1.
    pub line: u64,
    /// Why.
    pub reason: String,
    /// The row as in the file.
    pub raw: String,
}

/// A row. Its buffers are reused for each row, so that reading does not allocate.
#[derive(Debug, Default)]
pub struct Row {
    text: String,
    cells: Vec<Option<(Kind, Range<usize>)>>,
    /// The line where it begins, from 1.
    pub line: u64,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Plain,
    Quoted,
    Number,
    Bool(bool),
    Nested,
}

impl Row {
    /// Resets it to an empty row.
    pub fn begin(&mut self, line: u64) {
        self.text.clear();
        self.cells.clear();
        self.line = line;
    }

    /// Sets the cell of a column, by the index of its header.
    pub fn set(&mut self, column: usize, cell: Cell<'_>) {
        let kind = match cell {
            Cell::Plain(_) => Kind::Plain,
            Cell::Quoted(_) => Kind::Quoted,
            Cell::Number(_) => Kind::Number,
            Cell::Bool(is_true) => Kind::Bool(is_true),
            Cell::Nested(_) => Kind::Nested,
        };
        let start = self.text.len();
        self.text.push_str(cell.text());
        if self.cells.len() <= column {
            self.cells.resize(column + 1, None);
        }
        self.cells[column] = Some((kind, start..self.text.len()));
    }

    /// Returns the cell of a column; `None` if it is absent or empty.
    #[must_use]
    pub fn cell(&self, column: usize) -> Option<Cell<'_>> {
        let (kind, range) = self.cells.get(column)?.as_ref()?;
        let text = &self.text[range.clone()];
        Some(match kind {
            Kind::Plain => Cell::Plain(text),
            Kind::Quoted => Cell::Quoted(text),
            Kind::Number => Cell::Number(text),
            Kind::Bool(is_true) => Cell::Bool(*is_true),
            Kind::Nested => Cell::Nested(text),
        })
    }

    /// Returns the number of its columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.cells.len()
    }

    /// Returns the texts of the cells, joined by commas, for reports.
    #[must_use]
    pub fn raw(&self) -> String {
        let texts = (0..self.cells.len()).map(|at| self.cell(at).map_or("", Cell::text));
        texts.collect::<Vec<_>>().join(",")
    }
}
