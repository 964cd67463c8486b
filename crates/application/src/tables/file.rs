//! Files of rows, as a load reads them: row by row, and more than once.

use std::{io, ops::Range};

use metricd_core::cell::{Cell, Nameless};
use thiserror::Error;

use crate::catalog::Progress;

/// A file of rows.
pub trait TableFile: Send {
    /// Goes back to the first row.
    ///
    /// # Errors
    /// When the file cannot be read, or what stands before its rows is faulty.
    fn rewind(&mut self) -> Result<(), TableFileError>;

    /// The next row, or what is wrong with it; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn next_row(&mut self) -> Result<Option<Result<&Row, RejectedRow>>, TableFileError>;

    /// The headers or keys that were seen so far, in the order in which they first came.
    fn headers(&self) -> &[String];

    /// How far reading has come.
    fn progress(&self) -> Progress;
}

/// What is wrong with a file as a whole.
#[derive(Debug, Error)]
pub enum TableFileError {
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// It cannot be read twice.
    #[error("the file is read twice, and this is no regular file: save it first")]
    NotAFile,
    /// There is no first line.
    #[error("the file is empty: its first line has to name the columns")]
    NoHeader,
    /// A header names no column.
    #[error("the header of column {position}, `{header}`, {source}")]
    Nameless {
        /// Which one, from 1.
        position: usize,
        /// As it stands in the file.
        header: String,
        /// Why.
        source: Nameless,
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
    /// The row, as it stands in the file.
    pub raw: String,
}

/// A row. It is kept and filled again for each, so that reading takes no memory.
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
    /// Begins a row without cells.
    pub fn begin(&mut self, line: u64) {
        self.text.clear();
        self.cells.clear();
        self.line = line;
    }

    /// Sets the cell of a column, by its place among the headers.
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

    /// The cell of a column; `None` where there is none, or it is empty.
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

    /// How many columns it reaches into.
    #[must_use]
    pub fn width(&self) -> usize {
        self.cells.len()
    }

    /// The texts of the cells, for people.
    #[must_use]
    pub fn raw(&self) -> String {
        let texts = (0..self.cells.len()).map(|at| self.cell(at).map_or("", Cell::text));
        texts.collect::<Vec<_>>().join(",")
    }
}
