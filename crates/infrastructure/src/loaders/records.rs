//! Reads `metric_records.json` batch by batch, in memory that does not depend on the file's size.

use std::{io, path::Path};

use metricd_application::{
    catalog::{Findings, Place, Progress, RecordSource, content_key},
    ports::StagedRecord,
};
use metricd_core::{
    ids::QueryId,
    record::{MetricRecord, RecordValues, parse_moment},
};
use struson::reader::{ReaderError, ValueType};

use super::{
    file::{name, unreadable},
    json::{self, Input, JsonFile, ObjectFields, shorten},
    report::FileReport,
};

const FIELDS: [&str; 7] = [
    "id",
    "date",
    "obsolescence_val",
    "obsolescence",
    "parts_flagged",
    "alert_type",
    "alert_category",
];

/// A JSON file of records: a list of objects.
pub struct RecordFile {
    report: FileReport,
    state: State,
    progress: Progress,
}

enum State {
    /// Nothing was read yet.
    New(io::Result<Input>),
    /// Between two records.
    Open(Box<JsonFile>),
    /// At the end, or past a fault that ends the file.
    Done,
}

impl RecordFile {
    /// The most records that are read at once.
    pub const BATCH: usize = 5_000;

    /// Opens the file; when that fails, the first batch says so.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let opened = json::open(path);
        let total_bytes = opened.as_ref().map_or(0, |(_, size)| *size);
        Self::read(name(path), total_bytes, opened.map(|(input, _)| input))
    }

    pub(super) fn read(file: String, total_bytes: u64, input: io::Result<Input>) -> Self {
        Self {
            report: FileReport::new(file),
            state: State::New(input),
            progress: Progress { total_bytes, ..Progress::default() },
        }
    }

    /// Fills `batch`. The file goes on after it if it is given back.
    fn fill(
        &mut self,
        mut json: Box<JsonFile>,
        batch: &mut Vec<StagedRecord>,
    ) -> Result<Option<Box<JsonFile>>, ReaderError> {
        for _ in 0..Self::BATCH {
            if !json.has_next()? {
                json.end_array()?;
                self.progress.bytes = self.progress.total_bytes;
                json.finish()?;
                return Ok(None);
            }
            let index = self.progress.records;
            self.progress.records += 1;
            batch.extend(read_record(&mut json, index, &mut self.report)?);
            self.progress.bytes = json.bytes();
        }
        Ok(Some(json))
    }

    /// Reads up to the first record. `None` when the file holds no list.
    fn begin(&mut self, input: Input) -> Result<Option<Box<JsonFile>>, ReaderError> {
        let mut json = match JsonFile::new(input) {
            Ok(json) => json,
            Err(error) => {
                let finding = unreadable(&self.report.file, &error);
                self.report.findings.add(finding);
                return Ok(None);
            }
        };
        let (kind, line) = json.peek()?;
        if kind != ValueType::Array {
            self.report.reject_kind(line, "$", "a list of records", kind);
            return Ok(None);
        }
        json.begin_array()?;
        Ok(Some(Box::new(json)))
    }

    fn read_batch(&mut self) -> Option<Vec<StagedRecord>> {
        let opened = match std::mem::replace(&mut self.state, State::Done) {
            State::Done => return None,
            State::Open(json) => Ok(Some(json)),
            State::New(Ok(input)) => self.begin(input),
            State::New(Err(error)) => {
                let finding = unreadable(&self.report.file, &error);
                self.report.findings.add(finding);
                return None;
            }
        };
        let mut batch = Vec::new();
        let rest = opened.and_then(|json| match json {
            Some(json) => self.fill(json, &mut batch),
            None => Ok(None),
        });
        match rest {
            Ok(Some(json)) => self.state = State::Open(json),
            Ok(None) => (),
            Err(error) => {
                let path = format!("$[{}]", self.progress.records.saturating_sub(1));
                let path = if self.progress.records == 0 { "$" } else { &path };
                self.report.reject_rest(&error, path);
            }
        }
        Some(batch)
    }
}

impl RecordSource for RecordFile {
    fn next_batch(&mut self, findings: &mut Findings) -> Option<Vec<StagedRecord>> {
        let batch = self.read_batch();
        findings.append(std::mem::take(&mut self.report.findings));
        batch
    }

    fn progress(&self) -> Progress {
        self.progress
    }

    fn place(&self, index: u64, line: u64) -> Place {
        Place::value(&self.report.file, line, format!("$[{index}]"))
    }
}

/// Reads one record; `None` when it was rejected.
fn read_record(
    json: &mut JsonFile,
    index: u64,
    report: &mut FileReport,
) -> Result<Option<StagedRecord>, ReaderError> {
    let path = format!("$[{index}]");
    let (kind, line) = json.peek()?;
    if kind != ValueType::Object {
        json.skip()?;
        report.reject_kind(line, &path, "a record, such as {\"id\": …, \"date\": …}", kind);
        return Ok(None);
    }
    let mut fields = json.fields(&FIELDS, path, 0, report)?;
    let record = record(&mut fields).filter(|_| !fields.is_faulty());
    Ok(record.map(|record| StagedRecord { index, line, content_key: content_key(&record), record }))
}

fn record(fields: &mut ObjectFields<'_>) -> Option<MetricRecord> {
    let query_id = fields.required_text("id").and_then(|(text, line)| {
        let parsed = QueryId::parse(text);
        parsed
            .map_err(|error| {
                let message = format!("`id` names no query: {error}");
                fields.reject("id", line, message, "Write the id of the record's query.");
            })
            .ok()
    });
    let date = fields.required_text("date").and_then(|(text, line)| {
        let parsed = parse_moment(&text);
        parsed
            .map_err(|error| {
                let message = format!("`date` {error}; it is `{}`", shorten(&text));
                fields.reject("date", line, message, "Write the date as YYYY-MM-DDTHH:MM:SS.");
            })
            .ok()
    });
    let values = RecordValues {
        obsolescence_val: fields.number("obsolescence_val"),
        obsolescence: fields.number("obsolescence"),
        parts_flagged: fields.integer("parts_flagged"),
        alert_type: fields.text("alert_type").map(|(text, _)| text),
        alert_category: fields.text("alert_category").map(|(text, _)| text),
    };
    Some(MetricRecord { query_id: query_id?, date: date?, values })
}
