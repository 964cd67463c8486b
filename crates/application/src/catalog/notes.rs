//! Notes on the SQL of queries, as a report has them.

use metricd_core::sql::{NoteSeverity, Template};

use super::{
    loaded::LoadedQuery,
    report::{Finding, Report, SlotFinding},
};

/// A warning that holds only if records have a time of day.
#[derive(Debug, Clone)]
pub(super) struct RecordWarning {
    finding: Finding,
    /// The index of its slot in the report.
    slot: usize,
}

/// Adds the notes on a query's SQL: all as slots, and a warning as a finding too. Returns the warnings that
/// are left to [`settle`].
pub(super) fn add_notes(
    row: &LoadedQuery,
    template: &Template,
    report: &mut Report,
) -> Vec<RecordWarning> {
    let mut open = Vec::new();
    for note in &template.notes {
        if note.severity == NoteSeverity::Warning {
            let message =
                format!("{}: {}", place_in_sql(row, note.line, note.column), note.message);
            let advice = "Write it as shown, or compare whole days by a cast to `date`.";
            let finding = Finding::warning(row.place.clone(), message, advice);
            if note.of_records {
                open.push(RecordWarning { finding, slot: report.slots.len() });
            } else {
                report.findings.add(finding);
            }
        }
        report.slots.push(SlotFinding { query: row.id.to_string(), note: note.clone() });
    }
    open
}

/// Adds warnings as findings if records have a time of day, as they are taken to have where none are
/// given. If not, they are for information.
pub(super) fn settle(warnings: &[RecordWarning], has_times: bool, report: &mut Report) {
    for RecordWarning { finding, slot } in warnings {
        if has_times {
            report.findings.add(finding.clone());
        } else if let Some(slot) = report.slots.get_mut(*slot) {
            slot.note.severity = NoteSeverity::Info;
        }
    }
}

/// Returns a place in a query's SQL, in words.
pub(super) fn place_in_sql(row: &LoadedQuery, line: u32, column: u32) -> String {
    let of_file = row.sql_line + u64::from(line) - 1;
    format!("the SQL of `{}`, line {line}, column {column} (line {of_file} of the file)", row.id)
}
