//! The data-quality report of an import: its counts and findings.

use std::fmt;

/// The severity of a finding, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For information.
    Note,
    /// Probably a mistake; imported nevertheless.
    Warning,
    /// A mistake that was repaired unambiguously.
    Repair,
    /// A mistake; nothing is written.
    Rejection,
}

impl Severity {
    /// All severities, mildest first.
    pub const ALL: [Self; 4] = [Self::Note, Self::Warning, Self::Repair, Self::Rejection];

    /// Returns its name in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Repair => "repair",
            Self::Rejection => "rejection",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// The file's name, as given.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// JSON path, such as `$.items[4].id`.
    pub path: Option<String>,
}

impl Place {
    /// An unknown place in `file`.
    #[must_use]
    pub fn file(file: &str) -> Self {
        Self { file: file.to_owned(), line: None, path: None }
    }

    /// A line of `file`, from 1.
    #[must_use]
    pub fn line(file: &str, line: u64) -> Self {
        Self { file: file.to_owned(), line: Some(line), path: None }
    }

    /// A value in a JSON file, on the line where it begins.
    #[must_use]
    pub fn value(file: &str, line: u64, path: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: Some(line), path: Some(path.into()) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(path) = &self.path {
            write!(f, " {path}")?;
        }
        Ok(())
    }
}

/// A finding in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// Its place.
    pub place: Place,
    /// What was found.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    /// For information.
    pub fn note(place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Note, place, message: message.into(), advice: advice.into() }
    }

    /// Probably a mistake; imported nevertheless.
    pub fn warning(place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, place, message: message.into(), advice: advice.into() }
    }

    /// A mistake that was repaired unambiguously.
    pub fn repair(place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Repair, place, message: message.into(), advice: advice.into() }
    }

    /// A mistake; nothing is written.
    pub fn rejection(place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            severity: Severity::Rejection,
            place,
            message: message.into(),
            advice: advice.into(),
        }
    }
}

/// The findings of one import. All are counted; at most [`Findings::LISTED`] of each severity are
/// listed, so that a file of a million faults takes bounded memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    listed: Vec<Finding>,
    counts: [u64; 4],
    is_strict: bool,
}

impl Findings {
    /// The maximum number of listed findings of one severity.
    pub const LISTED: u64 = 200;

    /// Creates an empty list; when `is_strict`, warnings and repairs become rejections.
    #[must_use]
    pub fn new(is_strict: bool) -> Self {
        Self { is_strict, ..Self::default() }
    }

    fn judged(&self, severity: Severity) -> Severity {
        match severity {
            Severity::Warning | Severity::Repair if self.is_strict => Severity::Rejection,
            other => other,
        }
    }

    /// Counts `finding`, and lists it up to the limit.
    pub fn add(&mut self, mut finding: Finding) {
        finding.severity = self.judged(finding.severity);
        let count = &mut self.counts[finding.severity as usize];
        *count += 1;
        if *count <= Self::LISTED {
            self.listed.push(finding);
        }
    }

    /// Counts `number` more findings without listing them.
    pub fn add_unlisted(&mut self, severity: Severity, number: u64) {
        self.counts[self.judged(severity) as usize] += number;
    }

    /// Adds the findings of one file to those of the import.
    pub fn append(&mut self, other: Self) {
        let Self { listed, counts: mut unlisted, .. } = other;
        for finding in listed {
            unlisted[finding.severity as usize] -= 1;
            self.add(finding);
        }
        for severity in Severity::ALL {
            self.add_unlisted(severity, unlisted[severity as usize]);
        }
    }

    /// Returns the number of findings of `severity`.
    #[must_use]
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts[severity as usize]
    }

    /// Returns the listed findings, in the order in which they were found.
    #[must_use]
    pub fn listed(&self) -> &[Finding] {
        &self.listed
    }

    /// Whether anything may be written: nothing was rejected.
    #[must_use]
    pub fn permit_writing(&self) -> bool {
        self.count(Severity::Rejection) == 0
    }
}

/// The counts of one kind of item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Created.
    pub created: u64,
    /// Existed with other content.
    pub updated: u64,
    /// Existed with the same content.
    pub unchanged: u64,
    /// Pruned.
    pub removed: u64,
}

/// The counts of an import, or of its dry run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Queries.
    pub queries: Tally,
    /// Metrics.
    pub metrics: Tally,
    /// Layout items.
    pub layouts: Tally,
    /// Records.
    pub records: Tally,
}

/// A date, a number of days or a placeholder in a query, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFinding {
    /// The query's id.
    pub query: String,
    /// Its place, in lines and columns of the query's own text.
    pub note: metricd_core::sql::SlotNote,
}

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The counts.
    pub counts: Counts,
    /// The findings.
    pub findings: Findings,
    /// The slots of the queries.
    pub slots: Vec<SlotFinding>,
    /// Whether anything was written: not after a rejection, nor in a dry run.
    pub written: bool,
}
