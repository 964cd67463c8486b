//! Reads `queries.csv`: the columns `id` and `query`, the SQL in quotes over as many lines as it
//! takes.

use std::{io, path::Path};

use csv::{ByteRecord, ReaderBuilder};
use metricd_application::catalog::{Finding, Findings, LoadedQueries, LoadedQuery, Place};
use metricd_core::ids::QueryId;

use super::{
    file::{BYTE_ORDER_MARK, name, not_utf8, unreadable},
    json::shorten,
};

/// Reads a file of queries as far as it can be read.
#[must_use]
pub fn load_queries(path: &Path) -> LoadedQueries {
    read_queries(name(path), std::fs::read(path))
}

pub(super) fn read_queries(file: String, bytes: io::Result<Vec<u8>>) -> LoadedQueries {
    let mut loaded = LoadedQueries { file, ..LoadedQueries::default() };
    match bytes {
        Ok(bytes) => {
            let text = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
            read_rows(text, &mut loaded);
        }
        Err(error) => {
            loaded.left_out.add(None);
            loaded.findings.add(unreadable(&loaded.file, &error));
        }
    }
    loaded
}

/// Where the two columns are, and how many there are.
#[derive(Debug, Clone, Copy)]
struct Header {
    id: usize,
    query: usize,
    columns: usize,
}

fn read_rows(text: &[u8], loaded: &mut LoadedQueries) {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let mut row = ByteRecord::new();
    let mut header = None;
    let mut start = 0;
    loop {
        match reader.read_byte_record(&mut row) {
            Ok(true) => (),
            Ok(false) => break,
            Err(error) => {
                // Reading from memory cannot fail; say so rather than stop in silence.
                loaded.left_out.add(None);
                let error = io::Error::other(error);
                loaded.findings.add(unreadable(&loaded.file, &error));
                return;
            }
        }
        let end = usize::try_from(reader.position().byte()).unwrap_or(text.len()).min(text.len());
        let raw = Raw::new(text, start, end);
        start = end;
        match header {
            None => {
                header = read_header(&row, &raw, loaded);
                if header.is_none() {
                    loaded.left_out.add(None);
                    return;
                }
            }
            Some(header) => read_row(&row, &raw, header, loaded),
        }
    }
    if header.is_none() {
        loaded.left_out.add(None);
        let message = "the file is empty; its first line must be the header `id,query`";
        reject_header(Place::line(&loaded.file, 1), message, &mut loaded.findings);
    }
}

/// A row as it stands in the file.
struct Raw<'a> {
    bytes: &'a [u8],
    /// The line on which it begins, from 1.
    line: u64,
}

impl<'a> Raw<'a> {
    fn new(text: &'a [u8], start: usize, end: usize) -> Self {
        let blank = text[start..end].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        Self { bytes: &text[start + blank..end], line: 1 + newlines(&text[..start + blank]) }
    }

    /// The line of the byte at `offset`.
    fn line_at(&self, offset: usize) -> u64 {
        self.line + newlines(&self.bytes[..offset])
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.split(|b| *b == b'\n').count() as u64 - 1
}

fn read_header(row: &ByteRecord, raw: &Raw<'_>, loaded: &mut LoadedQueries) -> Option<Header> {
    let names: Vec<_> = row.iter().map(|name| String::from_utf8_lossy(name.trim_ascii())).collect();
    let place = Place::line(&loaded.file, raw.line);
    let mut found = [None, None];
    for (at, name) in names.iter().enumerate() {
        match ["id", "query"].iter().position(|column| column == name) {
            Some(column) if found[column].is_none() => found[column] = Some(at),
            Some(_) => {
                let message = format!("the header names the column `{name}` twice");
                reject_header(place, &message, &mut loaded.findings);
                return None;
            }
            None => (),
        }
    }
    let [Some(id), Some(query)] = found else {
        let message = format!(
            "the header `id,query` is missing; the first line is `{}`",
            shorten(names.join(",").lines().next().unwrap_or_default())
        );
        reject_header(place, &message, &mut loaded.findings);
        return None;
    };
    for name in names.iter().filter(|name| !matches!(name.as_ref(), "id" | "query")) {
        loaded.findings.add(Finding::warning(
            place.clone(),
            format!("the column `{}` has no meaning here and is ignored", shorten(name)),
            "Remove the column, or check its spelling.",
        ));
    }
    Some(Header { id, query, columns: names.len() })
}

fn reject_header(place: Place, message: &str, findings: &mut Findings) {
    findings.add(Finding::rejection(
        place,
        message,
        "Write `id,query` on the first line, with a comma between the two.",
    ));
}

fn read_row(row: &ByteRecord, raw: &Raw<'_>, header: Header, loaded: &mut LoadedQueries) {
    let id = row.get(header.id).and_then(|id| std::str::from_utf8(id).ok());
    let id = id.map(QueryId::parse);
    match check_row(row, raw, header, &loaded.file) {
        Ok(sql) => match id {
            Some(Ok(id)) => loaded.rows.push(LoadedQuery {
                id,
                sql,
                place: Place::line(&loaded.file, raw.line),
                sql_line: raw.line + lines_before(row, header.query),
            }),
            Some(Err(error)) => {
                loaded.left_out.add(None);
                loaded.findings.add(Finding::rejection(
                    Place::line(&loaded.file, raw.line),
                    format!("the `id` of this row cannot be used: {error}"),
                    "Write an id of 1 to 200 characters.",
                ));
            }
            None => loaded.left_out.add(None),
        },
        Err(finding) => {
            loaded.left_out.add(id.and_then(Result::ok));
            loaded.findings.add(*finding);
        }
    }
}

/// The row's SQL, if the row is sound.
fn check_row(
    row: &ByteRecord,
    raw: &Raw<'_>,
    header: Header,
    file: &str,
) -> Result<String, Box<Finding>> {
    let place = || Place::line(file, raw.line);
    if let Err(error) = std::str::from_utf8(raw.bytes) {
        return Err(Box::new(not_utf8(Place::line(file, raw.line_at(error.valid_up_to())))));
    }
    if let Some(fault) = quote_fault(raw.bytes) {
        return Err(Box::new(fault.finding(raw, file)));
    }
    if row.len() != header.columns {
        let fields = if row.len() == 1 { "field" } else { "fields" };
        return Err(Box::new(Finding::rejection(
            place(),
            format!("this row has {} {fields}, the header has {}", row.len(), header.columns),
            "Put the SQL in double quotes, so that its commas and line breaks belong to it.",
        )));
    }
    let sql = String::from_utf8_lossy(row.get(header.query).unwrap_or_default()).into_owned();
    if sql.trim().is_empty() {
        return Err(Box::new(Finding::rejection(
            place(),
            "the SQL of this row is empty",
            "Write a SELECT, or remove the row.",
        )));
    }
    if sql.contains('\0') {
        return Err(Box::new(Finding::rejection(
            place(),
            "the SQL of this row holds the character NUL",
            "Remove it: PostgreSQL cannot store it.",
        )));
    }
    Ok(sql)
}

/// How many line breaks stand before a field of a row.
fn lines_before(row: &ByteRecord, column: usize) -> u64 {
    row.iter().take(column).map(newlines).sum()
}

/// Quotes that a lenient reader would get past by making other SQL of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuoteFault {
    /// A field's opening quote, by its offset, has no closing one.
    Open(usize),
    /// Something follows a closing quote.
    Continued(usize),
}

impl QuoteFault {
    fn finding(self, raw: &Raw<'_>, file: &str) -> Finding {
        match self {
            Self::Open(offset) => Finding::rejection(
                Place::line(file, raw.line_at(offset)),
                "a double quote opens here and never closes, so that it takes in the rest of the file",
                "Close it after the SQL; write double quotes inside the SQL twice.",
            ),
            Self::Continued(offset) => Finding::rejection(
                Place::line(file, raw.line_at(offset)),
                "something follows a closing double quote",
                "Write double quotes inside the SQL twice: \"\"name\"\".",
            ),
        }
    }
}

fn quote_fault(raw: &[u8]) -> Option<QuoteFault> {
    #[derive(Clone, Copy)]
    enum At {
        Start,
        Plain,
        Quoted(usize),
        Closed(usize),
    }
    let mut at = At::Start;
    for (offset, byte) in raw.iter().enumerate() {
        at = match (at, byte) {
            (At::Start, b'"') => At::Quoted(offset),
            (At::Quoted(opened), b'"') => At::Closed(opened),
            // A doubled quote is one, and the field goes on.
            (At::Quoted(opened), _) | (At::Closed(opened), b'"') => At::Quoted(opened),
            (_, b',' | b'\r' | b'\n') => At::Start,
            (At::Closed(_), _) => return Some(QuoteFault::Continued(offset)),
            (At::Start | At::Plain, _) => At::Plain,
        };
    }
    match at {
        At::Quoted(opened) => Some(QuoteFault::Open(opened)),
        _ => None,
    }
}
