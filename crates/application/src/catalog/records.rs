//! Records of an import: their source, the key that identifies equal ones, and the check of a whole
//! file without a database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    panic::resume_unwind,
};

use chrono::NaiveTime;
use metricd_core::{ids::QueryId, record::MetricRecord};
use tokio::{sync::mpsc, task::JoinHandle};
use uuid::{Uuid, uuid};

use super::report::{Finding, Findings, Place, Severity};
use crate::ports::{DuplicateRecord, StagedRecord, StagingOutcome, UnknownQuery};

/// The namespace of [`content_key`]. Must not change: every stored record would be imported again.
const NAMESPACE: Uuid = uuid!("b028f10c-d56a-4850-bcd2-e03c62e662ea");

/// A file of records, read batch by batch in constant memory.
pub trait RecordSource: Send {
    /// Returns the next batch of records, and `None` at the end. Invalid records are left out of the
    /// batch and become findings; a fault that ends the file early is a rejection.
    fn next_batch(&mut self, findings: &mut Findings) -> Option<Vec<StagedRecord>>;

    /// Returns the progress of reading.
    fn progress(&self) -> Progress;

    /// Returns the place of the record with this index and line, for findings.
    fn place(&self, index: u64, line: u64) -> Place;
}

/// The progress of reading a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records read, including invalid ones.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// The size of the file in bytes.
    pub total_bytes: u64,
}

/// A callback for progress, called after each batch of records.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Returns the key of a record's content, the same for equal records alone: a `UUIDv5` of the query id,
/// the date and the five measures.
#[must_use]
pub fn content_key(record: &MetricRecord) -> Uuid {
    let values = &record.values;
    let mut bytes = Vec::with_capacity(96);
    text(&mut bytes, Some(record.query_id.as_str()));
    bytes.extend(record.date.and_utc().timestamp_micros().to_be_bytes());
    for number in [values.obsolescence_val, values.obsolescence] {
        // PostgreSQL treats -0 and 0 as equal.
        let bits = number.map(|number| if number == 0.0 { 0 } else { number.to_bits() });
        optional(&mut bytes, bits.map(u64::to_be_bytes));
    }
    optional(&mut bytes, values.parts_flagged.map(i32::to_be_bytes));
    text(&mut bytes, values.alert_type.as_deref());
    text(&mut bytes, values.alert_category.as_deref());
    Uuid::new_v5(&NAMESPACE, &bytes)
}

/// Appends the presence, then the value; otherwise `Some(0)` and `None` would be the same bytes.
fn optional<const N: usize>(bytes: &mut Vec<u8>, value: Option<[u8; N]>) {
    bytes.push(u8::from(value.is_some()));
    bytes.extend(value.into_iter().flatten());
}

/// Appends the presence, the length, then the text; without the length, adjacent texts would be ambiguous.
fn text(bytes: &mut Vec<u8>, value: Option<&str>) {
    optional(bytes, value.map(|text| (text.len() as u64).to_be_bytes()));
    bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
}

/// Adds the findings of merging staged records.
pub(super) fn report_outcome(
    outcome: &StagingOutcome,
    source: &dyn RecordSource,
    findings: &mut Findings,
) {
    for duplicates in &outcome.first_duplicates {
        findings.add(duplicate_note(source, duplicates));
    }
    let unlisted = outcome.duplicates.saturating_sub(outcome.first_duplicates.len() as u64);
    findings.add_unlisted(Severity::Note, unlisted);
    for unknown in &outcome.unknown_queries {
        let records = if unknown.records == 1 { "record belongs" } else { "records belong" };
        findings.add(Finding::warning(
            source.place(unknown.first_index, unknown.first_line),
            format!(
                "{} {records} to `{}`, which is not a query; this is the first",
                unknown.records, unknown.query_id
            ),
            "Add the query, or correct the records' `id`. No metric shows them as they are.",
        ));
    }
}

fn duplicate_note(source: &dyn RecordSource, duplicates: &DuplicateRecord) -> Finding {
    let first = source.place(duplicates.equals, 0).path.unwrap_or_default();
    Finding::note(
        source.place(duplicates.index, duplicates.line),
        format!("equals `{first}`, kept"),
        "Nothing, if it did happen twice; else remove one of the two.",
    )
}

/// A record source that is read on a thread of its own, one batch ahead, so that reading and storing
/// overlap.
pub(super) struct ReadAhead {
    read: mpsc::Receiver<Read>,
    reading: JoinHandle<()>,
    ended: Option<Box<dyn RecordSource>>,
    has_times: bool,
}

enum Read {
    Batch { records: Vec<StagedRecord>, findings: Findings, progress: Progress },
    End { findings: Findings, source: Box<dyn RecordSource> },
}

impl ReadAhead {
    pub(super) fn begin(mut source: Box<dyn RecordSource>) -> Self {
        let (sender, read) = mpsc::channel(1);
        // Dropping the receiver ends the thread at its next batch.
        let reading = tokio::task::spawn_blocking(move || {
            loop {
                let mut findings = Findings::default();
                let Some(records) = source.next_batch(&mut findings) else {
                    let _ = sender.blocking_send(Read::End { findings, source });
                    return;
                };
                let progress = source.progress();
                if sender.blocking_send(Read::Batch { records, findings, progress }).is_err() {
                    return;
                }
            }
        });
        Self { read, reading, ended: None, has_times: false }
    }

    /// Returns the next batch with the progress of reading; `None` at the end.
    pub(super) async fn next(
        &mut self,
        found: &mut Findings,
        on_progress: OnProgress<'_>,
    ) -> Option<Vec<StagedRecord>> {
        if self.ended.is_some() {
            return None;
        }
        let Some(read) = self.read.recv().await else {
            // The channel closes without an end message only if the thread panics.
            (&mut self.reading).await.unwrap_or_else(|panic| resume_unwind(panic.into_panic()));
            return None;
        };
        match read {
            Read::Batch { records, findings, progress } => {
                found.append(findings);
                on_progress(progress);
                self.has_times |= have_times(&records);
                Some(records)
            }
            Read::End { findings, source } => {
                found.append(findings);
                self.ended = Some(source);
                None
            }
        }
    }

    /// Reads to the end for the findings alone.
    pub(super) async fn read_for_faults(
        &mut self,
        found: &mut Findings,
        on_progress: OnProgress<'_>,
    ) {
        while self.next(found, on_progress).await.is_some() {}
    }

    /// Whether a record so far has a time of day.
    pub(super) fn has_times(&self) -> bool {
        self.has_times
    }

    /// Returns the source, once it was read to its end.
    pub(super) fn ended(&self) -> Option<&dyn RecordSource> {
        self.ended.as_deref()
    }
}

/// Whether a record has a time of day.
fn have_times(records: &[StagedRecord]) -> bool {
    records.iter().any(|staged| staged.record.date.time() != NaiveTime::MIN)
}

/// A check in bounded memory that no two records of a file are equal. Where it is inconclusive, the
/// database searches for duplicates, which is slow.
pub(super) struct Distinct(Option<HashSet<u64>>);

impl Default for Distinct {
    fn default() -> Self {
        Self(Some(HashSet::new()))
    }
}

impl Distinct {
    /// About 64 MB.
    const LIMIT: usize = 3_500_000;

    pub(super) fn see(&mut self, batch: &[StagedRecord]) {
        let Some(seen) = &mut self.0 else { return };
        // Records are certainly different if half of their keys differs, so half of each key is kept.
        let mut halves = batch.iter().map(|staged| staged.content_key.as_u64_pair().1);
        let holds = halves.all(|half| seen.insert(half)) && seen.len() <= Self::LIMIT;
        if !holds {
            self.0 = None;
        }
    }

    /// Whether the records are certainly distinct.
    pub(super) fn holds(&self) -> bool {
        self.0.is_some()
    }
}

/// Checks records without a database: counts them, tells whether one has a time of day, and finds equal ones
/// within bounded memory and unknown queries. `known` are the ids of all queries, if they are known.
pub(super) fn check(
    source: &mut dyn RecordSource,
    known: Option<&BTreeSet<QueryId>>,
    findings: &mut Findings,
    on_progress: OnProgress<'_>,
) -> (u64, bool) {
    let mut has_times = false;
    let mut outcome = StagingOutcome::default();
    let mut keys = SeenKeys::default();
    let mut unknown = BTreeMap::new();
    while let Some(batch) = source.next_batch(findings) {
        has_times |= have_times(&batch);
        for staged in batch {
            outcome.created += 1;
            if let Some(equals) = keys.see(staged.content_key, staged.index) {
                outcome.duplicates += 1;
                if outcome.duplicates <= Findings::LISTED {
                    let (index, line) = (staged.index, staged.line);
                    outcome.first_duplicates.push(DuplicateRecord { index, line, equals });
                }
            }
            let query_id = staged.record.query_id;
            if known.is_some_and(|known| !known.contains(&query_id)) {
                count_unknown(&mut unknown, query_id, staged.index, staged.line);
            }
        }
        on_progress(source.progress());
    }
    outcome.unknown_queries = unknown.into_values().collect();
    outcome.unknown_queries.sort_by_key(|unknown| unknown.first_index);
    report_outcome(&outcome, source, findings);
    if keys.overflowed {
        let place = Place { line: None, path: None, ..source.place(0, 0) };
        findings.add(Finding::note(
            place,
            format!(
                "equal records were searched for only among the first {} different ones",
                SeenKeys::LIMIT
            ),
            "Nothing; an import with `--dry-run` checks all of them.",
        ));
    }
    (outcome.created, has_times)
}

fn count_unknown(
    unknown: &mut BTreeMap<QueryId, UnknownQuery>,
    query_id: QueryId,
    first_index: u64,
    first_line: u64,
) {
    unknown
        .entry(query_id.clone())
        .or_insert(UnknownQuery { query_id, records: 0, first_index, first_line })
        .records += 1;
}

/// The content keys seen so far, as many as fit into about 50 MB.
#[derive(Default)]
struct SeenKeys {
    first: HashMap<Uuid, u64>,
    overflowed: bool,
}

impl SeenKeys {
    const LIMIT: usize = 1_500_000;

    /// Returns the index of the first record with this key, if `index` is not the first.
    fn see(&mut self, key: Uuid, index: u64) -> Option<u64> {
        let first = self.first.get(&key).copied();
        if first.is_none() {
            if self.first.len() < Self::LIMIT {
                self.first.insert(key, index);
            } else {
                self.overflowed = true;
            }
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use metricd_core::record::RecordValues;

    use super::*;

    fn record(values: RecordValues) -> MetricRecord {
        MetricRecord {
            query_id: QueryId::parse("q").unwrap(),
            date: NaiveDate::from_ymd_opt(2025, 6, 1).unwrap().into(),
            values,
        }
    }

    #[test]
    fn equal_records_have_one_key() {
        let values = || RecordValues { alert_type: Some("a".into()), ..RecordValues::default() };
        assert_eq!(content_key(&record(values())), content_key(&record(values())));
        let zero = |obsolescence| RecordValues { obsolescence, ..RecordValues::default() };
        assert_eq!(
            content_key(&record(zero(Some(0.0)))),
            content_key(&record(zero(Some(-0.0)))),
            "PostgreSQL holds them for equal"
        );
    }

    #[test]
    fn the_key_of_a_record_never_changes() {
        let key = content_key(&record(RecordValues::default()));
        assert_eq!(key.to_string(), "805666d4-c7a2-5ff4-aaec-c1226a153f8c");
    }

    #[test]
    fn different_records_have_different_keys() {
        let none = RecordValues::default;
        let different = [
            record(none()),
            record(RecordValues { obsolescence_val: Some(0.0), ..none() }),
            record(RecordValues { obsolescence: Some(0.0), ..none() }),
            record(RecordValues { parts_flagged: Some(0), ..none() }),
            record(RecordValues { alert_type: Some(String::new()), ..none() }),
            record(RecordValues { alert_category: Some(String::new()), ..none() }),
            record(RecordValues { alert_type: Some("ab".into()), ..none() }),
            record(RecordValues {
                alert_type: Some("a".into()),
                alert_category: Some("b".into()),
                ..none()
            }),
            MetricRecord { query_id: QueryId::parse("r").unwrap(), ..record(none()) },
            MetricRecord {
                date: NaiveDate::from_ymd_opt(2025, 6, 2).unwrap().into(),
                ..record(none())
            },
        ];
        let keys: BTreeSet<_> = different.iter().map(content_key).collect();
        assert_eq!(keys.len(), different.len());
    }

    fn staged(index: u64, parts: i32) -> StagedRecord {
        let record = record(RecordValues { parts_flagged: Some(parts), ..RecordValues::default() });
        StagedRecord { index, line: index, content_key: content_key(&record), record }
    }

    #[test]
    fn records_are_distinct_until_two_are_equal_in_one_batch_or_in_two() {
        let mut distinct = Distinct::default();
        assert!(distinct.holds());
        distinct.see(&[staged(0, 1), staged(1, 2)]);
        distinct.see(&[]);
        distinct.see(&[staged(2, 3)]);
        assert!(distinct.holds());
        distinct.see(&[staged(3, 4), staged(4, 2)]);
        assert!(!distinct.holds());
        distinct.see(&[staged(5, 5)]);
        assert!(!distinct.holds());

        let mut distinct = Distinct::default();
        distinct.see(&[staged(0, 1), staged(1, 1)]);
        assert!(!distinct.holds());
    }

    struct Broken;

    impl RecordSource for Broken {
        fn next_batch(&mut self, _: &mut Findings) -> Option<Vec<StagedRecord>> {
            panic!("a page is torn")
        }

        fn progress(&self) -> Progress {
            Progress::default()
        }

        fn place(&self, _: u64, _: u64) -> Place {
            Place::default()
        }
    }

    #[tokio::test]
    #[should_panic(expected = "a page is torn")]
    async fn a_panic_of_the_reading_thread_is_propagated() {
        let mut records = ReadAhead::begin(Box::new(Broken));
        records.read_for_faults(&mut Findings::default(), &|_| {}).await;
    }
}
