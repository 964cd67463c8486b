//! Loads a file into a new or an existing table, all or nothing.
//!
//! The file is read twice: once to infer its columns, once to copy its rows. During the second pass a
//! unit of work is open: nothing but the store may be called.

use std::{collections::BTreeMap, io};

use metricd_core::{
    actor::{Action, Actor, Object},
    audit::{AuditEvent, AuditedObject},
    cell::{Candidates, Cell, CellType, column_name},
    changes::Changed,
    sql::TableName,
};
use thiserror::Error;

use super::file::{RejectedRow, Row, TableFile, TableFileError};
use crate::{
    Forbidden, authorize_on,
    catalog::OnProgress,
    context::Context,
    error::{Cause, Classified, Classify},
    ports::{RowSink, StoreError, StoredTable, UnitOfWork},
};

/// The maximum number of rejected rows in a report.
const LISTED: usize = 20;

/// A request to load a file into a table.
#[derive(Debug, Clone)]
pub struct LoadTable {
    /// The table.
    pub table: TableName,
    /// What is done with an existing table.
    pub mode: LoadMode,
    /// Types by name of column, instead of inferred ones.
    pub types: BTreeMap<String, CellType>,
    /// Skip rejected rows, and load the others.
    pub skip_rejected: bool,
    /// Roll everything back at the end.
    pub dry_run: bool,
}

/// What is done with an existing table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadMode {
    /// It is an error: the table is created.
    Create,
    /// Its rows stay; it must exist.
    Append,
    /// Its rows are removed; it is created if it does not exist.
    Replace,
}

/// The result of a load, or of its dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadReport {
    /// The table.
    pub table: TableName,
    /// The file's columns, in its order.
    pub columns: Vec<LoadedColumn>,
    /// Rows that were loaded.
    pub rows: u64,
    /// Rows that were rejected.
    pub rejected: u64,
    /// The first rejected rows.
    pub first_rejected: Vec<RejectedRow>,
    /// If the table was created, whether stored SQL may read it.
    pub made: Option<bool>,
    /// Whether the load was committed.
    pub written: bool,
}

/// A column of a loaded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedColumn {
    /// Its header in the file.
    pub header: String,
    /// Its name in the table.
    pub name: String,
    /// Its type in the table.
    pub ty: String,
    /// The first line whose cell made the column text, if another type was possible before.
    pub text_since: Option<u64>,
}

/// A callback for every rejected row, which may write it to a file.
pub type OnRejected<'a> = &'a mut (dyn FnMut(&RejectedRow) -> io::Result<()> + Send);

/// The most bytes of a name in PostgreSQL.
const MAX_NAME_BYTES: usize = 63;

/// The reason why nothing was loaded. Rejected rows are in the report instead.
#[derive(Debug, Error)]
pub enum LoadTableError {
    /// The caller may not load tables.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The file as a whole is rejected.
    #[error(transparent)]
    File(#[from] TableFileError),
    /// The file has neither columns nor rows to infer them from.
    #[error("the file has no columns")]
    NoColumns,
    /// The table belongs to PostgreSQL or to metricd.
    #[error("{table} is reserved: {advice}")]
    Reserved {
        /// The table that was named.
        table: TableName,
        /// What to do instead.
        advice: &'static str,
    },
    /// PostgreSQL would cut the table's name.
    #[error("the name of a table or schema has at most {MAX_NAME_BYTES} bytes")]
    NameTooLong,
    /// The table already exists.
    #[error("the table {0} already exists: use --append or --replace")]
    Exists(TableName),
    /// The table does not exist.
    #[error("the table {0} does not exist")]
    Missing(TableName),
    /// It is a view or a foreign table.
    #[error("{0} cannot be loaded: it is not a table of this server")]
    NotATable(TableName),
    /// The file has columns that the table lacks.
    #[error("{table} has no column {}", columns.join(", "))]
    UnknownColumns {
        /// The table.
        table: TableName,
        /// The columns.
        columns: Vec<String>,
    },
    /// A type was given for a column that the file lacks.
    #[error("the file has no column {0}, for which a type was given")]
    UnknownType(String),
    /// Rejected rows could not be written to their file.
    #[error("the file of rejected rows cannot be written")]
    Rejects(#[source] io::Error),
    /// The database failed.
    #[error("{table} could not be loaded")]
    Store {
        /// The table.
        table: TableName,
        /// The cause.
        #[source]
        source: StoreError,
    },
}

impl Classify for LoadTableError {
    fn classify(&self) -> Classified {
        match self {
            Self::Forbidden(error) => error.classify(),
            Self::File(_)
            | Self::NoColumns
            | Self::UnknownColumns { .. }
            | Self::UnknownType(_)
            | Self::Store { source: StoreError::Rejected(_), .. } => Cause::InvalidFile.into(),
            Self::Reserved { .. } => Cause::TableReserved.into(),
            Self::Exists(_) => Cause::TableExists.into(),
            Self::Missing(_) => Cause::TableNotFound.into(),
            Self::NameTooLong | Self::NotATable(_) => Cause::TableUnsupported.into(),
            Self::Rejects(_) => Cause::Internal.into(),
            Self::Store { source, .. } => source.classify(),
        }
    }
}

/// Loads `file` into a table and returns a report.
///
/// # Errors
/// See [`LoadTableError`]. Nothing is written then, nor when rows are rejected and not to be skipped.
pub async fn load_table(
    actor: &Actor,
    context: &Context,
    request: LoadTable,
    file: &mut dyn TableFile,
    on_progress: OnProgress<'_>,
    on_rejected: OnRejected<'_>,
) -> Result<LoadReport, LoadTableError> {
    authorize_on(actor, context, Action::Import, Object::Catalog).await?;
    let table = request.table.clone().qualified();
    check_name(&table)?;
    let mut columns = survey(file, &request.types, on_progress)?;
    let failed = |source| LoadTableError::Store { table: table.clone(), source };
    let mut work = context.store.begin().await.map_err(failed)?;
    let made = prepare(work.as_mut(), &table, request.mode, &mut columns).await?;
    let mut rows = Rows {
        file,
        columns: &columns,
        on_progress,
        on_rejected,
        rejected: 0,
        first_rejected: Vec::new(),
        failure: None,
    };
    rows.file.rewind()?;
    let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    let copied = work.copy_rows(&table, &names, &mut |sink| rows.next(sink)).await;
    if let Some(failure) = rows.failure {
        return Err(failure);
    }
    let loaded = copied.map_err(failed)?;
    let mut report = LoadReport {
        rows: loaded,
        rejected: rows.rejected,
        first_rejected: rows.first_rejected,
        columns: columns.into_iter().map(Column::into_loaded).collect(),
        table: table.clone(),
        made,
        written: false,
    };
    if !request.dry_run && (report.rejected == 0 || request.skip_rejected) {
        work.note(Changed::rows_of(&table));
        let object = AuditedObject::Table(table.with_schema());
        let event = AuditEvent::done(actor, context.clock.now(), Action::Import, object, None);
        work.commit(&event, &[]).await.map_err(failed)?;
        report.written = true;
    }
    Ok(report)
}

fn check_name(table: &TableName) -> Result<(), LoadTableError> {
    let schema = table.schema();
    if [schema, table.name.as_str()].into_iter().any(|name| name.len() > MAX_NAME_BYTES) {
        return Err(LoadTableError::NameTooLong);
    }
    let advice =
        if schema == "metricd" || schema == "information_schema" || schema.starts_with("pg_") {
            "use another schema"
        } else if (schema, table.name.as_str()) == ("public", "metrics") {
            "it holds records; use `metricd import --records`"
        } else {
            return Ok(());
        };
    Err(LoadTableError::Reserved { table: table.clone(), advice })
}

/// A column of the file, and the type that its cells must have.
struct Column {
    header: String,
    name: String,
    ty: CellType,
    /// The type in an existing table.
    stored: Option<String>,
    text_since: Option<u64>,
    /// Whether an empty text is a value; else a quoted empty cell is null, too.
    takes_empty: bool,
}

impl Column {
    /// Returns the text of a cell for the table; `None` for null.
    fn value<'r>(&self, row: &'r Row, at: usize) -> Option<Cell<'r>> {
        row.cell(at).filter(|cell| self.takes_empty || *cell != Cell::Plain(""))
    }

    fn into_loaded(self) -> LoadedColumn {
        let ty = self.stored.unwrap_or_else(|| self.ty.to_string());
        let Self { header, name, text_since, .. } = self;
        LoadedColumn { header, name, ty, text_since }
    }
}

/// Reads all of `file` and infers its columns.
fn survey(
    file: &mut dyn TableFile,
    types: &BTreeMap<String, CellType>,
    on_progress: OnProgress<'_>,
) -> Result<Vec<Column>, LoadTableError> {
    let mut seen: Vec<(Candidates, Option<u64>)> = Vec::new();
    file.rewind()?;
    while let Some(read) = file.next_row()? {
        let Ok(row) = read else { continue };
        let (line, width) = (row.line, row.width());
        if seen.len() < width {
            seen.resize(width, Default::default());
        }
        for (at, (candidates, text_since)) in seen.iter_mut().enumerate() {
            // Many programs quote every cell, those without a value too.
            let Some(cell) = row.cell(at).filter(|cell| *cell != Cell::Plain("")) else { continue };
            let was_text = candidates.narrowest() == CellType::Text;
            let before = *candidates;
            candidates.see(cell);
            let is_text = candidates.narrowest() == CellType::Text;
            if is_text && !was_text && before != Candidates::default() {
                *text_since = Some(line);
            }
        }
        report_progress(file, on_progress);
    }
    let headers = file.headers();
    seen.resize(headers.len(), Default::default());
    let mut columns: Vec<Column> = Vec::with_capacity(headers.len());
    for (at, (header, (candidates, text_since))) in headers.iter().zip(seen).enumerate() {
        let name = column_name(header).map_err(|source| TableFileError::Nameless {
            position: at + 1,
            header: header.clone(),
            reason: source,
        })?;
        if let Some(twin) = columns.iter().find(|column| column.name == name) {
            let (first, second) = (twin.header.clone(), header.clone());
            return Err(TableFileError::Twice { first, second, name }.into());
        }
        let given = types.get(&name).copied();
        let ty = given.unwrap_or_else(|| candidates.narrowest());
        let text_since = text_since.filter(|_| given.is_none());
        let (header, takes_empty) = (header.clone(), ty == CellType::Text);
        columns.push(Column { header, name, ty, stored: None, text_since, takes_empty });
    }
    if columns.is_empty() {
        return Err(LoadTableError::NoColumns);
    }
    let is_unknown = |name: &&String| columns.iter().all(|column| column.name != **name);
    match types.keys().find(is_unknown) {
        Some(name) => Err(LoadTableError::UnknownType(name.clone())),
        None => Ok(columns),
    }
}

/// Creates, empties or checks the table. If it was created, returns whether stored SQL may read it.
async fn prepare(
    work: &mut dyn UnitOfWork,
    table: &TableName,
    mode: LoadMode,
    columns: &mut [Column],
) -> Result<Option<bool>, LoadTableError> {
    let failed = |source| LoadTableError::Store { table: table.clone(), source };
    let stored = work.find_table(table).await.map_err(failed)?;
    match (mode, stored) {
        (LoadMode::Create, Some(_)) => Err(LoadTableError::Exists(table.clone())),
        (LoadMode::Append, None) => Err(LoadTableError::Missing(table.clone())),
        (LoadMode::Create | LoadMode::Replace, None) => {
            let wanted: Vec<_> =
                columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
            work.create_table(table, &wanted).await.map(Some).map_err(failed)
        }
        (LoadMode::Append | LoadMode::Replace, Some(stored)) => {
            fit(table, &stored, columns)?;
            if mode == LoadMode::Replace {
                work.empty_table(table).await.map_err(failed)?;
            }
            Ok(None)
        }
    }
}

/// Replaces the inferred types by those of the existing table.
fn fit(
    table: &TableName,
    stored: &StoredTable,
    columns: &mut [Column],
) -> Result<(), LoadTableError> {
    if !stored.takes_rows {
        return Err(LoadTableError::NotATable(table.clone()));
    }
    let mut unknown = Vec::new();
    for column in columns {
        match stored.columns.iter().find(|stored| stored.name == column.name) {
            Some(stored) => {
                column.ty = taken_by(&stored.ty);
                column.takes_empty = has_empty_value(&stored.ty);
                column.stored = Some(stored.ty.clone());
                column.text_since = None;
            }
            None => unknown.push(column.name.clone()),
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    Err(LoadTableError::UnknownColumns { table: table.clone(), columns: unknown })
}

/// Returns the type that cells for a column of this PostgreSQL type must have; `Text` leaves the check to
/// the database.
fn taken_by(ty: &str) -> CellType {
    match ty {
        "int2" | "int4" => CellType::Int8,
        "float4" | "float8" => CellType::Numeric,
        "json" => CellType::Jsonb,
        _ => CellType::from_word(ty).unwrap_or(CellType::Text),
    }
}

/// Whether an empty text is a value of this PostgreSQL type; a type that is not known is asked.
fn has_empty_value(ty: &str) -> bool {
    let is_text = taken_by(ty) == CellType::Text;
    let never = [
        "time", "timetz", "interval", "money", "inet", "cidr", "macaddr", "macaddr8", "point",
        "line", "lseg", "box", "path", "polygon", "circle", "jsonpath", "oid", "pg_lsn", "xid",
        "xid8", "cid", "tid",
    ];
    // An array's name begins with `_`.
    is_text && !never.contains(&ty) && !ty.starts_with('_') && !ty.ends_with("range")
}

/// The rows of a file, as they are copied into a table.
struct Rows<'a> {
    file: &'a mut dyn TableFile,
    columns: &'a [Column],
    on_progress: OnProgress<'a>,
    on_rejected: OnRejected<'a>,
    rejected: u64,
    first_rejected: Vec<RejectedRow>,
    failure: Option<LoadTableError>,
}

impl Rows<'_> {
    /// Writes the next valid row to `sink`; `false` at the end, or after a failure.
    fn next(&mut self, sink: &mut dyn RowSink) -> bool {
        self.try_next(sink).unwrap_or_else(|failure| {
            self.failure = Some(failure);
            false
        })
    }

    fn try_next(&mut self, sink: &mut dyn RowSink) -> Result<bool, LoadTableError> {
        loop {
            report_progress(self.file, self.on_progress);
            let rejected = match self.file.next_row()? {
                None => return Ok(false),
                Some(Err(rejected)) => rejected,
                Some(Ok(row)) => match fault(row, self.columns) {
                    None => {
                        for (at, column) in self.columns.iter().enumerate() {
                            sink.cell(column.value(row, at).map(Cell::text));
                        }
                        sink.end();
                        return Ok(true);
                    }
                    Some(reason) => RejectedRow { line: row.line, reason, raw: row.raw() },
                },
            };
            self.rejected += 1;
            (self.on_rejected)(&rejected).map_err(LoadTableError::Rejects)?;
            if self.first_rejected.len() < LISTED {
                self.first_rejected.push(rejected);
            }
        }
    }
}

/// Returns why a row is rejected.
fn fault(row: &Row, columns: &[Column]) -> Option<String> {
    columns.iter().enumerate().find_map(|(at, column)| {
        let cell = column.value(row, at)?;
        let (name, ty) = (&column.name, column.ty);
        if !ty.reads(cell) {
            let short: String = cell.text().chars().take(60).collect();
            return Some(format!("{name}: `{short}` is not a valid {ty}"));
        }
        let is_nul = |cell: Cell<'_>| match cell {
            Cell::Nested(text) => ty == CellType::Jsonb && text.contains("\\u0000"),
            other => other.text().contains('\0'),
        };
        is_nul(cell).then(|| format!("{name}: contains the character NUL"))
    })
}

/// The number of records between two reports of progress.
const PROGRESS_INTERVAL_RECORDS: u64 = 5_000;

fn report_progress(file: &dyn TableFile, on_progress: OnProgress<'_>) {
    let progress = file.progress();
    if progress.records.is_multiple_of(PROGRESS_INTERVAL_RECORDS) {
        on_progress(progress);
    }
}
