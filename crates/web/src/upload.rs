//! Many records in one body, as JSON lines or CSV. The body is put aside in a temporary file and checked to
//! its end before anything is stored, so that no transaction waits for whoever sends it.
//!
//! Must never hold more of a body in memory than a line and a batch.

use std::{
    fs::File,
    future::poll_fn,
    io::{self, BufRead as _, BufReader, Read, Seek as _},
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use csv::ErrorKind;
use hyper::body::Body as _;
use metricd_application::records::{CreateRecord, RecordSource};
use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;

use crate::{
    check::{Fault, Faults},
    extract::fingerprint_of_head,
    problem::Problem,
    routes::records::create::NewRecord,
};

/// How many records are stored at a time.
const BATCH: usize = 1_000;

/// How many bytes their texts have, or little more: a line may be long.
const BATCH_BYTES: usize = 1024 * 1024;

/// What a body of many records may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadLimits {
    /// The most bytes of it.
    pub(crate) max_bytes: u64,
    /// The most bytes of a line, or of a row.
    pub(crate) max_line_bytes: usize,
    /// How long nothing of it may come.
    pub(crate) patience: Duration,
}

/// How records follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    JsonLines,
    Csv,
}

impl Format {
    /// What the headers say that the body is, unless it is one record.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-ndjson" | "application/jsonl" => Some(Self::JsonLines),
            "text/csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

/// Records that were checked, on their way into the database.
pub(crate) struct Upload {
    /// Not there while it is read elsewhere, or after it failed.
    reader: Option<Reader>,
    /// A hash of the request.
    pub(crate) fingerprint: [u8; 32],
}

impl Upload {
    /// Takes the whole body of `request` and looks at each of its records.
    pub(crate) async fn take(
        request: Request,
        format: Format,
        limits: UploadLimits,
    ) -> Result<Self, Problem> {
        let (file, fingerprint) = put_aside(request, limits).await?;
        let checked = tokio::task::spawn_blocking(move || check(file, format, limits));
        let checked = checked.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let reader = checked.map_err(Problem::internal)??;
        Ok(Self { reader: Some(reader), fingerprint })
    }
}

#[async_trait]
impl RecordSource for Upload {
    async fn next(&mut self) -> io::Result<Vec<CreateRecord>> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(Vec::new());
        };
        let read = tokio::task::spawn_blocking(move || {
            let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
            while batch.len() < BATCH
                && bytes < BATCH_BYTES
                && let Some((_, record)) = reader.next()?
            {
                let record = record.map_err(|_| io::Error::other("a record has changed"))?;
                bytes += record.text_bytes();
                batch.push(record.into());
            }
            Ok::<_, io::Error>((reader, batch))
        });
        let (reader, batch) = read.await.map_err(io::Error::other)??;
        self.reader = Some(reader);
        Ok(batch)
    }
}

/// The body, in a file that nobody else sees and that ends with its last handle, and a hash of the request.
async fn put_aside(request: Request, limits: UploadLimits) -> Result<(File, [u8; 32]), Problem> {
    let mut hash = fingerprint_of_head(&request);
    let too_large = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
    let mut body = request.into_body();
    if body.size_hint().lower() > limits.max_bytes {
        return Err(too_large());
    }
    let file = tempfile::tempfile().map_err(Problem::internal)?;
    let mut file = tokio::io::BufWriter::new(tokio::fs::File::from_std(file));
    let mut taken = 0;
    loop {
        let frame = tokio::time::timeout(limits.patience, next_frame(&mut body)).await;
        let frame = frame.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "Timed out waiting for the request body")
        })?;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(_)) => {
                return Err(Problem::new(StatusCode::BAD_REQUEST, "The body ended early"));
            }
        };
        taken += data.len() as u64;
        if taken > limits.max_bytes {
            return Err(too_large());
        }
        hash.update(&data);
        file.write_all(&data).await.map_err(Problem::internal)?;
    }
    file.flush().await.map_err(Problem::internal)?;
    let mut file = file.into_inner().into_std().await;
    file.rewind().map_err(Problem::internal)?;
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(hash.finish().as_ref());
    Ok((file, fingerprint))
}

async fn next_frame(
    body: &mut Body,
) -> Option<Result<hyper::body::Frame<bytes::Bytes>, axum::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// Looks at every record; the faults of the first lines that have any are told, and how many there are.
fn check(file: File, format: Format, limits: UploadLimits) -> io::Result<Result<Reader, Problem>> {
    let mut again = file.try_clone()?;
    let mut reader = match Reader::new(file, format, limits)? {
        Ok(reader) => reader,
        Err(faults) => return Ok(Err(Problem::invalid(faults))),
    };
    let (mut told, mut all) = (Faults::default(), 0);
    while let Some((line, record)) = reader.next()? {
        if let Err(faults) = record {
            all += faults.0.len();
            let room = Faults::MOST - told.0.len();
            told.0.extend(faults.0.into_iter().take(room).map(|fault| fault.on_line(line)));
        }
    }
    if all > 0 {
        return Ok(Err(Problem::invalid_of(told, all)));
    }
    again.rewind()?;
    let reader = Reader::new(again, format, limits)?;
    Ok(reader.map_err(Problem::invalid))
}

/// Reads one record after the other.
struct Reader {
    rows: Rows,
    max_line_bytes: usize,
}

enum Rows {
    JsonLines {
        lines: BufReader<File>,
        line: u64,
    },
    Csv {
        rows: csv::Reader<Bounded>,
        columns: Vec<Option<&'static str>>,
        left: Arc<AtomicUsize>,
    },
    /// What comes next cannot be told apart.
    Lost,
}

/// A record of a line, counted from 1, or everything that is wrong with it.
type Line = (u64, Result<NewRecord, Faults>);

impl Reader {
    /// The inner error is the header's.
    fn new(file: File, format: Format, limits: UploadLimits) -> io::Result<Result<Self, Faults>> {
        let max_line_bytes = limits.max_line_bytes;
        let rows = match format {
            Format::JsonLines => Rows::JsonLines { lines: BufReader::new(file), line: 0 },
            Format::Csv => {
                let left = Arc::new(AtomicUsize::new(max_line_bytes));
                let bounded = Bounded { file, left: Arc::clone(&left) };
                let mut rows = csv::Reader::from_reader(bounded);
                let names = match rows.byte_headers() {
                    Ok(names) => names.clone(),
                    Err(error) => match csv_fault(error) {
                        Ok(fault) => return Ok(Err(fault.on_line(1).into())),
                        Err(error) => return Err(error),
                    },
                };
                match columns(&names) {
                    Ok(columns) => Rows::Csv { rows, columns, left },
                    Err(fault) => return Ok(Err(fault.on_line(1).into())),
                }
            }
        };
        Ok(Ok(Self { rows, max_line_bytes }))
    }

    fn next(&mut self) -> io::Result<Option<Line>> {
        match &mut self.rows {
            Rows::Lost => Ok(None),
            Rows::JsonLines { lines, line } => loop {
                let mut text = Vec::new();
                let most = self.max_line_bytes as u64 + 1;
                if lines.by_ref().take(most).read_until(b'\n', &mut text)? == 0 {
                    return Ok(None);
                }
                *line += 1;
                let number = *line;
                if text.len() as u64 == most {
                    self.rows = Rows::Lost;
                    return Ok(Some((number, Err(too_long().into()))));
                }
                let text =
                    text.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&text);
                if !text.trim_ascii().is_empty() {
                    return Ok(Some((number, json_record(text))));
                }
            },
            Rows::Csv { rows, columns, left } => {
                left.store(self.max_line_bytes, Ordering::Relaxed);
                let mut row = csv::ByteRecord::new();
                let read = rows.read_byte_record(&mut row);
                let at = |position: Option<&csv::Position>| position.map_or(1, csv::Position::line);
                match read {
                    Ok(false) => Ok(None),
                    // What was read ahead did not count.
                    Ok(true) if row.as_slice().len() > self.max_line_bytes => {
                        Ok(Some((at(row.position()), Err(too_long().into()))))
                    }
                    Ok(true) => Ok(Some((at(row.position()), csv_record(&row, columns)))),
                    Err(error) => {
                        let line = at(error.position().or(Some(rows.position())));
                        let is_ragged = matches!(error.kind(), ErrorKind::UnequalLengths { .. });
                        let fault = csv_fault(error)?;
                        if !is_ragged {
                            self.rows = Rows::Lost;
                        }
                        Ok(Some((line, Err(fault.into()))))
                    }
                }
            }
        }
    }
}

/// A file of which only so many bytes are read until somebody allows more.
struct Bounded {
    file: File,
    left: Arc<AtomicUsize>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.file.read(buffer)?;
        self.left.store(left.saturating_sub(read), Ordering::Relaxed);
        Ok(read)
    }
}

fn too_long() -> Fault {
    Fault::at(&["body"], "too_long", "exceeds the longest permitted line")
}

/// What is wrong with CSV, unless it could not be read at all.
fn csv_fault(error: csv::Error) -> io::Result<Fault> {
    match error.into_kind() {
        ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(too_long()),
        ErrorKind::Io(error) => Err(error),
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            let message = format!("has {len} cells, and the header {expected_len}");
            Ok(Fault::at(&["body"], "csv_invalid", message))
        }
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

/// The fields that a header names, by column; others are passed over.
fn columns(names: &csv::ByteRecord) -> Result<Vec<Option<&'static str>>, Fault> {
    let known = |name: &[u8]| NewRecord::FIELDS.into_iter().find(|field| field.as_bytes() == name);
    let columns: Vec<_> = names.iter().map(known).collect();
    let mut seen: Vec<_> = columns.iter().flatten().collect();
    seen.sort_unstable();
    let refused = |message: &str| Err(Fault::at(&["body"], "csv_header", message));
    if seen.is_empty() {
        return refused("must be a header that names a field of a record");
    }
    if seen.windows(2).any(|pair| pair[0] == pair[1]) {
        return refused("names a field twice");
    }
    Ok(columns)
}

fn json_record(text: &[u8]) -> Result<NewRecord, Faults> {
    let value = serde_json::from_slice::<Value>(text).map_err(|error| {
        // Every line is one of its own for the parser.
        let message = format!("is not JSON: {error}");
        Faults::from(Fault::at(&["body"], "json_invalid", message))
    })?;
    deserr::deserialize(value)
}

/// A row as the JSON object that says the same.
fn csv_record(
    row: &csv::ByteRecord,
    columns: &[Option<&'static str>],
) -> Result<NewRecord, Faults> {
    let mut object = Map::new();
    for (cell, column) in row.iter().zip(columns) {
        let Some(field) = column.filter(|_| !cell.is_empty()) else {
            continue;
        };
        let Ok(text) = str::from_utf8(cell) else {
            return Err(Fault::at(&["body", field], "string_type", "is not UTF-8").into());
        };
        let number = || serde_json::from_str::<Value>(text).ok().filter(Value::is_number);
        let number = if NewRecord::NUMBERS.contains(&field) { number() } else { None };
        object.insert(field.to_owned(), number.unwrap_or_else(|| text.into()));
    }
    deserr::deserialize(Value::Object(mem::take(&mut object)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LIMITS: UploadLimits =
        UploadLimits { max_bytes: 1 << 20, max_line_bytes: 20_000, patience: Duration::MAX };

    fn checked(format: Format, body: &[u8]) -> Result<Upload, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(body).unwrap();
        file.rewind().unwrap();
        let checked = check(file, format, LIMITS).unwrap();
        let upload = |reader| Upload { reader: Some(reader), fingerprint: [0; 32] };
        checked.map(upload).map_err(|problem| problem.summary())
    }

    async fn count(format: Format, body: &[u8]) -> Result<usize, String> {
        let mut upload = checked(format, body)?;
        let mut count = 0;
        loop {
            match upload.next().await.unwrap().len() {
                0 => return Ok(count),
                some => count += some,
            }
        }
    }

    #[tokio::test]
    async fn every_record_is_given_once() {
        for records in [0, 1, BATCH - 1, BATCH, BATCH + 1, 3 * BATCH] {
            let lines = "{\"parts_flagged\": 1}\n".repeat(records);
            assert_eq!(count(Format::JsonLines, lines.as_bytes()).await, Ok(records));
            let rows = format!("parts_flagged,note\n{}", "1,x\n".repeat(records));
            assert_eq!(count(Format::Csv, rows.as_bytes()).await, Ok(records));
        }
        let marked = b"\xef\xbb\xbf{}\n\n  \r\n{}";
        assert_eq!(count(Format::JsonLines, marked).await, Ok(2));
        let marked = b"\xef\xbb\xbfdate,alert_type\r\n2025-06-03,\"a\nb\"\r\n,\r\n";
        assert_eq!(count(Format::Csv, marked).await, Ok(2));
    }

    #[tokio::test]
    async fn long_records_come_a_few_at_a_time() {
        let line = format!("{{\"alert_category\": \"{}\"}}\n", "x".repeat(10_000));
        let mut upload = checked(Format::JsonLines, line.repeat(500).as_bytes()).unwrap();
        let mut batches = Vec::new();
        loop {
            match upload.next().await.unwrap().len() {
                0 => break,
                some => batches.push(some),
            }
        }
        let most = BATCH_BYTES.div_ceil(10_000);
        assert_eq!(batches, [most, most, most, most, 500 - 4 * most]);
    }

    #[test]
    fn faults_are_told_by_their_lines() {
        let long = "x".repeat(30_000);
        for (format, body, expected) in [
            (
                Format::JsonLines,
                "{}\n\n{\"date\": 1}\n[]",
                "body.3.date: string_type; body.4: object_type",
            ),
            (Format::JsonLines, "{}\nnull {", "body.2: json_invalid"),
            (Format::JsonLines, &format!("{{}}\n{long}\n{{}}"), "body.2: too_long"),
            (Format::Csv, "", "body.1: csv_header"),
            (Format::Csv, "a,b\n1,2", "body.1: csv_header"),
            (Format::Csv, "date,date\n", "body.1: csv_header"),
            (
                Format::Csv,
                "date,parts_flagged\n2025-06-03,1.5\nsoon,2\n2025-06-03\n",
                "body.2.parts_flagged: int_type; body.3.date: date_parsing; body.4: csv_invalid",
            ),
            (
                Format::Csv,
                "obsolescence\nNaN\n1e999\n0x1\n",
                "body.2.obsolescence: float_type; body.3.obsolescence: float_type; body.4.obsolescence: float_type",
            ),
            (Format::Csv, "parts_flagged\n2147483648\n", "body.2.parts_flagged: out_of_range"),
            (Format::Csv, &format!("date\n2025-06-03\n{long}\n2025-06-03\n"), "body.3: too_long"),
        ] {
            let found = checked(format, body.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn a_hundred_faults_are_told_and_all_counted() {
        let problem = {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all("[]\n".repeat(250).as_bytes()).unwrap();
            file.rewind().unwrap();
            check(file, Format::JsonLines, LIMITS).unwrap().map(|_| ()).unwrap_err()
        };
        assert_eq!(problem.summary().split("; ").count(), Faults::MOST);
        assert!(format!("{problem:?}").contains("250 errors, of which the first 100 are listed"));
    }
}
