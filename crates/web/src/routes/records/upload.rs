//! Many records in one body, as JSON lines or CSV: all of them are stored or none.
//!
//! Must never hold more of a body in memory than a line and a batch.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read, Seek as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Json,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use metricd_application::{
    context::Context,
    csv_records::{CsvRead, CsvRecord, CsvRecords},
    idempotency::{Outcome, Replayable},
    ports::{IdempotentRequest, StoredResponse},
    records::{RecordBatches, RecordTarget, begin_upload},
};
use metricd_core::{actor::Action, ids::MetricId, record::MetricRecord};
use serde::Serialize;

use super::record::NewRecord;
use crate::{
    caller::Caller,
    check::Checked,
    extract::check_coding,
    head_rules::RejectedHead,
    idempotency::{idempotency_key, replay},
    negotiation::{JSON, RecordFormat, accepts_any},
    problem::Problem,
    spool::{SpooledBody, spool},
    validation::{ValidationError, ValidationErrors},
};

/// The most records of a batch.
const MAX_BATCH: usize = 1_000;

/// The bytes of text after which a batch ends: a line may be long.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// What a body of many records may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UploadLimits {
    /// The largest body.
    pub(crate) max_bytes: u64,
    /// The longest line or row.
    pub(crate) max_line_bytes: usize,
    /// The longest pause of the client.
    pub(crate) idle_timeout: Duration,
}

/// What became of many records.
#[derive(Debug, Serialize)]
struct RecordsCreated {
    /// How many there were.
    created: u64,
}

/// The response that is stored for the idempotency key.
fn stored_response(created: u64) -> StoredResponse {
    let body = serde_json::to_string(&RecordsCreated { created });
    StoredResponse { location: None, body: body.ok() }
}

/// Authorizes, then spools and checks the body, then stores its records.
pub(super) async fn upload(
    caller: &Caller,
    context: &Context,
    id: Checked<MetricId>,
    request: Request,
    format: RecordFormat,
    limits: UploadLimits,
) -> Result<Response, Problem> {
    let key = idempotency_key(request.headers());
    let coding = match check_coding(request.headers()) {
        // The answer to a single record has no body; this one has.
        Ok(()) if !accepts_any(request.headers(), [JSON].into_iter()) => {
            (&RejectedHead::NotAcceptable(JSON.to_owned())).into()
        }
        Ok(()) => Checked::new((), ValidationErrors::default()),
        Err(problem) => Checked::unreadable(problem),
    };
    let ((id, key), ()) =
        id.and(key.into()).and(coding).accept(caller, context, Action::Record).await?;
    let upload = begin_upload(&caller.actor, context, id).await?;
    let body = spool(request, limits.max_bytes, limits.idle_timeout).await?;
    let fingerprint = body.fingerprint;
    let mut records = SpooledRecords::check(body, format, limits.max_line_bytes).await?;
    let request = key.map(|key| IdempotentRequest { key, fingerprint });
    let replayable = request
        .as_ref()
        .map(|request| Replayable { request, response: &|created| stored_response(*created) });
    Ok(match upload.store(&mut records, replayable).await? {
        Outcome::Executed(created) => {
            (StatusCode::CREATED, Json(RecordsCreated { created })).into_response()
        }
        Outcome::Replayed(response) => replay(response),
    })
}

/// The checked records of a spooled body.
struct SpooledRecords {
    /// `None` while a batch is read on another thread, and after that failed.
    reader: Option<RecordReader>,
}

impl SpooledRecords {
    /// Checks each record of `body`, to its end.
    async fn check(
        body: SpooledBody,
        format: RecordFormat,
        max_line_bytes: usize,
    ) -> Result<Self, Problem> {
        let checked =
            tokio::task::spawn_blocking(move || check(body.file, format, max_line_bytes)).await;
        let checked = checked.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let reader = checked.map_err(Problem::internal)??;
        Ok(Self { reader: Some(reader) })
    }
}

#[async_trait]
impl RecordBatches for SpooledRecords {
    async fn next(&mut self, target: &RecordTarget) -> io::Result<Vec<MetricRecord>> {
        let Some(mut reader) = self.reader.take() else {
            return Ok(Vec::new());
        };
        let target = target.clone();
        let read = tokio::task::spawn_blocking(move || {
            let (mut batch, mut bytes) = (Vec::with_capacity(MAX_BATCH), 0);
            while batch.len() < MAX_BATCH
                && bytes < MAX_BATCH_BYTES
                && let Some((_, record)) = reader.next()?
            {
                let record =
                    record.map_err(|_| io::Error::other("a spooled record has changed"))?;
                bytes += record.text_bytes();
                batch.push(record.into_record(&target));
            }
            Ok::<_, io::Error>((reader, batch))
        });
        let (reader, batch) = read.await.map_err(io::Error::other)??;
        self.reader = Some(reader);
        Ok(batch)
    }
}

/// Looks at every record; the errors of the first lines that have any are listed, and how many there are.
fn check(
    file: File,
    format: RecordFormat,
    max_line_bytes: usize,
) -> io::Result<Result<RecordReader, Problem>> {
    let mut again = file.try_clone()?;
    let mut reader = match RecordReader::new(file, format, max_line_bytes)? {
        Ok(reader) => reader,
        Err(errors) => return Ok(Err(Problem::invalid(errors))),
    };
    let (mut listed, mut all) = (ValidationErrors::default(), 0);
    while let Some((line, record)) = reader.next()? {
        if let Err(errors) = record {
            all += errors.0.len();
            let capacity = ValidationErrors::MOST - listed.0.len();
            listed.0.extend(errors.0.into_iter().take(capacity).map(|error| error.on_line(line)));
        }
    }
    if all > 0 {
        return Ok(Err(Problem::invalid_of(listed, all)));
    }
    again.rewind()?;
    let reader = RecordReader::new(again, format, max_line_bytes)?;
    Ok(reader.map_err(Problem::invalid))
}

/// Reads the records of a spooled body one after the other.
struct RecordReader {
    input: RecordInput,
    max_line_bytes: usize,
}

enum RecordInput {
    JsonLines {
        lines: BufReader<File>,
        line: u64,
    },
    Csv {
        rows: Box<CsvRows>,
        columns: Vec<Option<&'static str>>,
    },
    /// Where the next record begins is unknown.
    Lost,
}

/// A record or all of its errors, with its line, counted from 1.
type ReadRecord = (u64, Result<NewRecord, ValidationErrors>);

impl RecordReader {
    /// Opens a body. The inner error is about its header.
    fn new(
        file: File,
        format: RecordFormat,
        max_line_bytes: usize,
    ) -> io::Result<Result<Self, ValidationErrors>> {
        let input = match format {
            RecordFormat::JsonLines => {
                RecordInput::JsonLines { lines: BufReader::new(file), line: 0 }
            }
            RecordFormat::Csv => {
                let mut rows = CsvRows::new(file, max_line_bytes)?;
                match rows.next(max_line_bytes, 0)? {
                    Ok(_) => {}
                    Err(invalid) => return Ok(Err(invalid.on_line(1).into())),
                }
                match NewRecord::columns(&rows.record) {
                    Ok(columns) => RecordInput::Csv { rows: Box::new(rows), columns },
                    Err(invalid) => return Ok(Err(invalid.on_line(1).into())),
                }
            }
        };
        Ok(Ok(Self { input, max_line_bytes }))
    }

    fn next(&mut self) -> io::Result<Option<ReadRecord>> {
        match &mut self.input {
            RecordInput::Lost => Ok(None),
            RecordInput::JsonLines { lines, line } => loop {
                let mut text = Vec::new();
                let most = self.max_line_bytes as u64 + 1;
                if lines.by_ref().take(most).read_until(b'\n', &mut text)? == 0 {
                    return Ok(None);
                }
                *line += 1;
                let number = *line;
                if text.len() as u64 == most {
                    self.input = RecordInput::Lost;
                    return Ok(Some((number, Err(too_long().into()))));
                }
                let text =
                    text.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 1).unwrap_or(&text);
                if !text.trim_ascii().is_empty() {
                    return Ok(Some((number, NewRecord::from_json(text))));
                }
            },
            RecordInput::Csv { rows, columns } => {
                let read = match rows.next(self.max_line_bytes, columns.len())? {
                    Ok(false) => return Ok(None),
                    Ok(true) => NewRecord::from_csv(&rows.record, columns),
                    Err(invalid) => Err(invalid.into()),
                };
                let line = rows.record.line;
                if rows.is_lost {
                    self.input = RecordInput::Lost;
                }
                Ok(Some((line, read)))
            }
        }
    }
}

/// The rows of a CSV file.
struct CsvRows {
    records: CsvRecords<BufReader<BudgetedFile>>,
    record: CsvRecord,
    remaining: Arc<AtomicUsize>,
    /// Whether it is unknown where the next row begins.
    is_lost: bool,
}

impl CsvRows {
    /// The rows behind a byte-order mark.
    fn new(file: File, max_line_bytes: usize) -> io::Result<Self> {
        let remaining = Arc::new(AtomicUsize::new(max_line_bytes));
        let mut input = BufReader::new(BudgetedFile { file, remaining: Arc::clone(&remaining) });
        if input.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
            input.consume(3);
        }
        let records = CsvRecords::new(input);
        Ok(Self { records, record: CsvRecord::default(), remaining, is_lost: false })
    }

    /// Reads the next row of `columns` cells, or of any number if that is 0; `false` at the end. The inner
    /// error is about the row.
    fn next(
        &mut self,
        max_line_bytes: usize,
        columns: usize,
    ) -> io::Result<Result<bool, ValidationError>> {
        let invalid =
            |message: String| Ok(Err(ValidationError::at(&["body"], "csv_invalid", message)));
        loop {
            self.remaining.store(max_line_bytes, Ordering::Relaxed);
            match self.records.read(&mut self.record) {
                Ok(CsvRead::End) => return Ok(Ok(false)),
                Ok(CsvRead::UnclosedQuote(line)) => {
                    self.is_lost = true;
                    return invalid(format!(
                        "has a double quote that opens in line {line} and is not closed"
                    ));
                }
                Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                    self.is_lost = true;
                    return Ok(Err(too_long()));
                }
                Err(error) => return Err(error),
                Ok(CsvRead::Record) if columns != 1 && self.record.is_blank() => {}
                Ok(CsvRead::Record) => break,
            }
        }
        let width = self.record.width();
        if self.record.bytes() > max_line_bytes {
            // What was read ahead of the row was not counted.
            Ok(Err(too_long()))
        } else if let Some(line) = self.record.stray_text {
            invalid(format!("has text after a closing quote, in line {line}"))
        } else if columns != 0 && width != columns {
            invalid(format!("has {width} cells, and the header {columns}"))
        } else {
            Ok(Ok(true))
        }
    }
}

/// A file with a budget of bytes, which the reader of its rows renews for each row.
struct BudgetedFile {
    file: File,
    remaining: Arc<AtomicUsize>,
}

impl Read for BudgetedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let remaining = self.remaining.load(Ordering::Relaxed);
        if remaining == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.file.read(buffer)?;
        self.remaining.store(remaining.saturating_sub(read), Ordering::Relaxed);
        Ok(read)
    }
}

fn too_long() -> ValidationError {
    ValidationError::at(&["body"], "too_long", "exceeds the longest permitted line")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use metricd_core::ids::QueryId;

    use super::*;

    const MAX_LINE_BYTES: usize = 20_000;

    fn spooled(body: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(body).unwrap();
        file.rewind().unwrap();
        file
    }

    fn checked(format: RecordFormat, body: &[u8]) -> Result<SpooledRecords, String> {
        let checked = check(spooled(body), format, MAX_LINE_BYTES).unwrap();
        let records = |reader| SpooledRecords { reader: Some(reader) };
        checked.map(records).map_err(|problem| problem.summary())
    }

    fn target() -> RecordTarget {
        RecordTarget::new(QueryId::parse("q").unwrap(), chrono::DateTime::UNIX_EPOCH)
    }

    async fn count(format: RecordFormat, body: &[u8]) -> Result<usize, String> {
        let mut records = checked(format, body)?;
        let mut count = 0;
        loop {
            match records.next(&target()).await.unwrap().len() {
                0 => return Ok(count),
                some => count += some,
            }
        }
    }

    #[tokio::test]
    async fn every_record_is_read_once() {
        for records in [0, 1, MAX_BATCH - 1, MAX_BATCH, MAX_BATCH + 1, 3 * MAX_BATCH] {
            let lines = "{\"parts_flagged\": 1}\n".repeat(records);
            assert_eq!(count(RecordFormat::JsonLines, lines.as_bytes()).await, Ok(records));
            let rows = format!("parts_flagged,note\n{}", "1,x\n".repeat(records));
            assert_eq!(count(RecordFormat::Csv, rows.as_bytes()).await, Ok(records));
        }
        let marked = b"\xef\xbb\xbf{}\n\n  \r\n{}";
        assert_eq!(count(RecordFormat::JsonLines, marked).await, Ok(2));
        let marked = b"\xef\xbb\xbfdate,alert_type\r\n2025-06-03,\"a\nb\"\r\n,\r\n";
        assert_eq!(count(RecordFormat::Csv, marked).await, Ok(2));
        let exported = b"date,parts_flagged\n2026-11-01 10:00:00,1\n2026-11-01 10:00:00.5,2\n";
        assert_eq!(count(RecordFormat::Csv, exported).await, Ok(2));
    }

    #[tokio::test]
    async fn a_batch_of_long_records_is_bounded_in_bytes() {
        let line = format!("{{\"alert_category\": \"{}\"}}\n", "x".repeat(10_000));
        let mut records = checked(RecordFormat::JsonLines, line.repeat(500).as_bytes()).unwrap();
        let mut batches = Vec::new();
        loop {
            match records.next(&target()).await.unwrap().len() {
                0 => break,
                some => batches.push(some),
            }
        }
        let most = MAX_BATCH_BYTES.div_ceil(10_000);
        assert_eq!(batches, [most, most, most, most, 500 - 4 * most]);
    }

    #[test]
    fn errors_are_listed_with_their_lines() {
        let long = "x".repeat(30_000);
        for (format, body, expected) in [
            (
                RecordFormat::JsonLines,
                "{}\n\n{\"date\": 1}\n[]",
                "body.3.date: string_type; body.4: object_type",
            ),
            (RecordFormat::JsonLines, "{}\nnull {", "body.2: json_invalid"),
            (RecordFormat::JsonLines, &format!("{{}}\n{long}\n{{}}"), "body.2: too_long"),
            (RecordFormat::Csv, "", "body.1: csv_header"),
            (RecordFormat::Csv, "a,b\n1,2", "body.1: csv_header"),
            (RecordFormat::Csv, "date,date\n", "body.1: csv_header"),
            (
                RecordFormat::Csv,
                "date,parts_flagged\n2025-06-03,1.5\nsoon,2\n2025-06-03\n",
                "body.2.parts_flagged: int_type; body.3.date: date_parsing; body.4: csv_invalid",
            ),
            (RecordFormat::Csv, "date\n2025-06-03 \n", "body.2.date: date_parsing"),
            (
                RecordFormat::Csv,
                "obsolescence\nNaN\n1e999\n0x1\n",
                "body.2.obsolescence: float_type; body.3.obsolescence: float_type; body.4.obsolescence: float_type",
            ),
            (
                RecordFormat::Csv,
                "date,alert_type\r\n2025-06-03,a\r\n2025-06-03,\"oops\r\n2025-06-03,b\r\n",
                "body.3: csv_invalid",
            ),
            (
                RecordFormat::Csv,
                "date,alert_type\r\n2025-06-03,\"a\"b\r\nsoon,\"a\r\n\"\r\nlate,\r\n",
                "body.2: csv_invalid; body.3.date: date_parsing; body.5.date: date_parsing",
            ),
            (
                RecordFormat::Csv,
                "parts_flagged\n2147483648\n",
                "body.2.parts_flagged: out_of_range",
            ),
            (
                RecordFormat::Csv,
                &format!("date\n2025-06-03\n{long}\n2025-06-03\n"),
                "body.3: too_long",
            ),
        ] {
            let found = checked(format, body.as_bytes()).map(|_| ()).unwrap_err();
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn a_hundred_errors_are_listed_and_all_counted() {
        let body = spooled("[]\n".repeat(250).as_bytes());
        let problem = check(body, RecordFormat::JsonLines, MAX_LINE_BYTES).unwrap();
        let problem = problem.map(|_| ()).unwrap_err();
        assert_eq!(problem.summary().split("; ").count(), ValidationErrors::MOST);
        assert!(format!("{problem:?}").contains("250 errors, of which the first 100 are listed"));
    }
}
