//! The data-quality report, for people and for programs.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use metricd_application::catalog::{Finding, Findings, Report, Severity, SlotFinding, Tally};
use metricd_core::sql::NoteSeverity;
use serde::Serialize;

use super::output::OutputFormat;

/// Renders `report`; `dry_run` says that nothing was meant to be written.
pub(crate) fn render(
    report: &Report,
    format: OutputFormat,
    dry_run: bool,
) -> anyhow::Result<String> {
    match format {
        OutputFormat::Table => Ok(table(report, dry_run)),
        OutputFormat::Json => Ok(format!("{}\n", serde_json::to_string_pretty(&document(report))?)),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    counts: CountsDocument,
    repaired: u64,
    rejected: u64,
    findings: Vec<FindingDocument<'a>>,
    /// How many findings were counted but not listed.
    unlisted: u64,
    slots: Vec<SlotDocument<'a>>,
    written: bool,
}

#[derive(Serialize)]
struct CountsDocument {
    queries: TallyDocument,
    metrics: TallyDocument,
    layouts: TallyDocument,
    records: TallyDocument,
}

#[derive(Serialize)]
struct TallyDocument {
    created: u64,
    updated: u64,
    unchanged: u64,
    removed: u64,
}

#[derive(Serialize)]
struct FindingDocument<'a> {
    severity: &'static str,
    file: &'a str,
    line: Option<u64>,
    path: Option<&'a str>,
    message: &'a str,
    advice: &'a str,
}

#[derive(Serialize)]
struct SlotDocument<'a> {
    query: &'a str,
    line: u32,
    column: u32,
    slot: bool,
    severity: &'static str,
    message: &'a str,
}

impl From<Tally> for TallyDocument {
    fn from(tally: Tally) -> Self {
        let Tally { created, updated, unchanged, removed } = tally;
        Self { created, updated, unchanged, removed }
    }
}

impl<'a> From<&'a Finding> for FindingDocument<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self {
            severity: finding.severity.as_str(),
            file: &finding.place.file,
            line: finding.place.line,
            path: finding.place.path.as_deref(),
            message: &finding.message,
            advice: &finding.advice,
        }
    }
}

impl<'a> From<&'a SlotFinding> for SlotDocument<'a> {
    fn from(slot: &'a SlotFinding) -> Self {
        Self {
            query: &slot.query,
            line: slot.note.line,
            column: slot.note.column,
            slot: slot.note.is_slot,
            severity: slot.note.severity.as_str(),
            message: &slot.note.message,
        }
    }
}

fn document(report: &Report) -> Document<'_> {
    let counts = &report.counts;
    Document {
        counts: CountsDocument {
            queries: counts.queries.into(),
            metrics: counts.metrics.into(),
            layouts: counts.layouts.into(),
            records: counts.records.into(),
        },
        repaired: report.findings.count(Severity::Repair),
        rejected: report.findings.count(Severity::Rejection),
        findings: report.findings.listed().iter().map(Into::into).collect(),
        unlisted: all(&report.findings) - report.findings.listed().len() as u64,
        slots: report.slots.iter().map(Into::into).collect(),
        written: report.written,
    }
}

/// The most findings of one severity in the table; the JSON document holds all that are listed.
const SHOWN: usize = 20;

fn all(findings: &Findings) -> u64 {
    Severity::ALL.into_iter().map(|severity| findings.count(severity)).sum()
}

fn table(report: &Report, dry_run: bool) -> String {
    let shown: Vec<&Finding> = Severity::ALL
        .into_iter()
        .rev()
        .flat_map(|severity| {
            let listed = report.findings.listed().iter();
            listed.filter(move |finding| finding.severity == severity).take(SHOWN)
        })
        .collect();
    let findings = shown.iter().copied().map(finding);
    let rest = all(&report.findings) - shown.len() as u64;
    let rest = (rest > 0).then(|| format!("… and {rest} more findings\n"));
    let slots = (!report.slots.is_empty()).then(|| {
        let lines: String = report.slots.iter().map(slot).collect();
        format!("What callers may vary:\n{lines}")
    });
    std::iter::once(format!("{}\n", counts_table(report)))
        .chain(findings)
        .chain(rest)
        .chain(slots)
        .chain([format!("{}\n", summary(report, dry_run))])
        .collect::<Vec<_>>()
        .join("\n")
}

fn finding(finding: &Finding) -> String {
    let Finding { severity, message, advice, .. } = finding;
    format!("{severity}: {message}\n  at {}\n  {advice}\n", place(finding))
}

fn slot(slot: &SlotFinding) -> String {
    let note = &slot.note;
    let mark = match note.severity {
        NoteSeverity::Warning => "warn",
        NoteSeverity::Info if note.is_slot => "slot",
        NoteSeverity::Info => "note",
    };
    format!("  {mark}  {}:{}:{}  {}\n", slot.query, note.line, note.column, note.message)
}

fn counts_table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["", "created", "updated", "unchanged", "removed"]);
    let counts = &report.counts;
    let rows = [
        ("queries", counts.queries),
        ("metrics", counts.metrics),
        ("layouts", counts.layouts),
        ("records", counts.records),
    ];
    for (what, tally) in rows {
        let numbers = [tally.created, tally.updated, tally.unchanged, tally.removed];
        let cells = numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(what)).chain(cells));
    }
    table
}

fn place(finding: &Finding) -> String {
    let place = &finding.place;
    let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
    let path = place.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
    format!("{}{line}{path}", place.file)
}

fn summary(report: &Report, dry_run: bool) -> String {
    let found = Severity::ALL
        .into_iter()
        .rev()
        .map(|severity| (report.findings.count(severity), severity))
        .filter(|(count, _)| *count > 0)
        .map(|(count, severity)| format!("{count} {severity}{}", if count == 1 { "" } else { "s" }))
        .collect::<Vec<_>>()
        .join(", ");
    let found = if found.is_empty() { "no findings".to_owned() } else { found };
    match (report.written, dry_run) {
        (true, _) => format!("Loaded: {found}."),
        (false, true) => format!("Nothing was written, as asked: {found}."),
        (false, false) => format!("Nothing was written: {found}."),
    }
}
