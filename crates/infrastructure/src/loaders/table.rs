//! Files of rows for a table: CSV with a header, and JSON lines. Read in memory that does not depend on
//! the file's size.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    path::Path,
};

use metricd_application::{
    catalog::Progress,
    csv_records::{CsvRead, CsvRecord, CsvRecords},
    tables::{RejectedRow, Row, TableFile, TableFileError},
};
use metricd_core::cell::Cell;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::file::BYTE_ORDER_MARK;

/// PostgreSQL's own limit on the columns of a table.
const MOST_COLUMNS: usize = 1_600;

/// The longest line of a file of JSON lines, in bytes.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// How a file writes its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Comma-separated values with a header.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

impl TableFormat {
    /// What a file's name says of it.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            _ => None,
        }
    }
}

/// Opens a file of rows.
///
/// # Errors
/// When it cannot be read, or cannot be read twice.
pub fn open_table(path: &Path, format: TableFormat) -> Result<Box<dyn TableFile>, TableFileError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(TableFileError::NotAFile);
    }
    let progress = Progress { total_bytes: metadata.len(), ..Progress::default() };
    Ok(match format {
        TableFormat::Csv => Box::new(CsvFile {
            file,
            reader: None,
            headers: Vec::new(),
            record: CsvRecord::default(),
            row: Row::default(),
            progress,
        }),
        TableFormat::JsonLines => Box::new(JsonLines {
            file,
            reader: None,
            keys: Vec::new(),
            places: HashMap::new(),
            given: Vec::new(),
            line: Vec::new(),
            lines: 0,
            row: Row::default(),
            progress,
        }),
    })
}

/// The file from its beginning, behind a byte-order mark.
fn from_the_start(file: &File) -> io::Result<BufReader<File>> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut input = BufReader::with_capacity(256 * 1024, file);
    if input.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
        input.consume(BYTE_ORDER_MARK.len());
    }
    Ok(input)
}

struct CsvFile {
    file: File,
    reader: Option<CsvRecords<BufReader<File>>>,
    headers: Vec<String>,
    record: CsvRecord,
    row: Row,
    progress: Progress,
}

impl CsvFile {
    /// Reads the next record that stands for a row. A blank line is one where there is a single column, as
    /// for `COPY`, and nothing where there are more.
    fn read_record(&mut self, columns: usize) -> Result<bool, TableFileError> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        loop {
            match reader.read(&mut self.record)? {
                CsvRead::End => return Ok(false),
                CsvRead::UnclosedQuote(line) => {
                    return Err(TableFileError::UnclosedQuote { line });
                }
                CsvRead::Record if columns != 1 && self.record.is_blank() => {}
                CsvRead::Record => return Ok(true),
            }
        }
    }
}

impl TableFile for CsvFile {
    fn rewind(&mut self) -> Result<(), TableFileError> {
        self.reader = Some(CsvRecords::new(from_the_start(&self.file)?));
        if !self.read_record(0)? {
            return Err(TableFileError::NoHeader);
        }
        let header = |(bytes, _): (&[u8], bool)| String::from_utf8_lossy(bytes).into_owned();
        self.headers = self.record.cells().map(header).collect();
        if self.headers.len() > MOST_COLUMNS {
            return Err(TableFileError::TooManyColumns { most: MOST_COLUMNS });
        }
        self.progress.records = 0;
        Ok(())
    }

    fn next_row(&mut self) -> Result<Option<Result<&Row, RejectedRow>>, TableFileError> {
        if !self.read_record(self.headers.len())? {
            self.progress.bytes = self.progress.total_bytes;
            return Ok(None);
        }
        self.progress.records += 1;
        self.progress.bytes = self.reader.as_ref().map_or(0, CsvRecords::bytes);
        Ok(Some(match fill(&mut self.row, &self.record, self.headers.len()) {
            Ok(()) => Ok(&self.row),
            Err(reason) => {
                let texts = self.record.cells().map(|(text, _)| String::from_utf8_lossy(text));
                let raw = texts.collect::<Vec<_>>().join(",");
                Err(RejectedRow { line: self.record.line, reason, raw })
            }
        }))
    }

    fn headers(&self) -> &[String] {
        &self.headers
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// An empty cell is no value, unless it is quoted.
fn fill(row: &mut Row, record: &CsvRecord, columns: usize) -> Result<(), String> {
    if let Some(line) = record.stray_text {
        let line = if line == record.line { String::new() } else { format!(" in line {line}") };
        return Err(format!(
            "has text after a closing quote{line}; a quote inside quotes is written twice"
        ));
    }
    if record.width() != columns {
        return Err(format!("has {} cells where the header has {columns}", record.width()));
    }
    row.begin(record.line);
    for (at, (cell, is_quoted)) in record.cells().enumerate() {
        let text = std::str::from_utf8(cell).map_err(|_| "is not UTF-8".to_owned())?;
        if is_quoted || !text.is_empty() {
            row.set(at, Cell::Plain(text));
        }
    }
    Ok(())
}

struct JsonLines {
    file: File,
    reader: Option<BufReader<File>>,
    keys: Vec<String>,
    places: HashMap<String, usize>,
    /// The line that last gave each key a value.
    given: Vec<u64>,
    line: Vec<u8>,
    lines: u64,
    row: Row,
    progress: Progress,
}

impl TableFile for JsonLines {
    fn rewind(&mut self) -> Result<(), TableFileError> {
        self.reader = Some(from_the_start(&self.file)?);
        self.lines = 0;
        self.given.fill(0);
        self.progress.records = 0;
        self.progress.bytes = 0;
        Ok(())
    }

    fn next_row(&mut self) -> Result<Option<Result<&Row, RejectedRow>>, TableFileError> {
        loop {
            let Some(reader) = &mut self.reader else { return Ok(None) };
            self.line.clear();
            let read = reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                self.progress.bytes = self.progress.total_bytes;
                return Ok(None);
            }
            self.lines += 1;
            self.progress.bytes += read as u64;
            let is_cut = read as u64 == LONGEST_LINE && !self.line.ends_with(b"\n");
            if is_cut {
                self.progress.bytes += skip_line(reader)?;
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            self.progress.records += 1;
            let read = if is_cut {
                Err(format!("is longer than {LONGEST_LINE} bytes"))
            } else {
                self.read_line()?
            };
            return Ok(Some(match read {
                Ok(()) => Ok(&self.row),
                Err(reason) => {
                    let line = &self.line[..self.line.len().min(64 * 1024)];
                    let raw = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                    Err(RejectedRow { line: self.lines, reason, raw })
                }
            }));
        }
    }

    fn headers(&self) -> &[String] {
        &self.keys
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

impl JsonLines {
    /// The line as a row, or what is wrong with it.
    fn read_line(&mut self) -> Result<Result<(), String>, TableFileError> {
        let Ok(text) = std::str::from_utf8(&self.line) else {
            return Ok(Err("is not UTF-8".to_owned()));
        };
        let RowFields(fields) = match serde_json::from_str(text) {
            Ok(fields) => fields,
            Err(error) => {
                let said = error.to_string();
                // Its own place is one in this line.
                let said = said.split(" at line ").next().unwrap_or_default();
                return Ok(Err(format!("is not a JSON object: {said}")));
            }
        };
        self.row.begin(self.lines);
        for (key, value) in fields {
            let place = match self.places.get(&key) {
                Some(place) => *place,
                None if self.keys.len() == MOST_COLUMNS => {
                    return Err(TableFileError::TooManyColumns { most: MOST_COLUMNS });
                }
                None => {
                    self.keys.push(key.clone());
                    self.given.push(0);
                    self.places.insert(key, self.keys.len() - 1);
                    self.keys.len() - 1
                }
            };
            if std::mem::replace(&mut self.given[place], self.lines) == self.lines {
                return Ok(Err(format!("gives `{}` twice", self.keys[place])));
            }
            let raw = value.get();
            match raw.as_bytes().first() {
                None | Some(b'n') => {}
                Some(b't' | b'f') => self.row.set(place, Cell::Bool(raw == "true")),
                Some(b'"') => match serde_json::from_str::<String>(raw) {
                    Ok(text) => self.row.set(place, Cell::Quoted(&text)),
                    Err(error) => return Ok(Err(format!("holds no text: {error}"))),
                },
                Some(b'{' | b'[') => self.row.set(place, Cell::Nested(raw)),
                Some(_) => self.row.set(place, Cell::Number(raw)),
            }
        }
        Ok(Ok(()))
    }
}

/// Reads to the end of a line, and gives how many bytes that were.
fn skip_line(reader: &mut BufReader<File>) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = reader.fill_buf()?;
        let (used, is_done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        skipped += used as u64;
        if is_done {
            return Ok(skipped);
        }
    }
}

/// An object's fields in their order, each as it is written: no digit of a number is lost.
struct RowFields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for RowFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = RowFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowFields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(RowFields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
