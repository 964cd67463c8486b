//! The data-quality report: what a load did and what it found.

use std::fmt;

/// How bad a finding is, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably a mistake; loaded all the same.
    Warning,
    /// A mistake that the file itself showed how to mend.
    Repair,
    /// A mistake; nothing is written.
    Rejection,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Self; 4] = [Self::Note, Self::Warning, Self::Repair, Self::Rejection];

    /// The word for it.
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

/// Where in which file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// The file, as its name was given.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// JSON path, such as `$.items[4].id`.
    pub path: Option<String>,
}

impl Place {
    /// Somewhere in `file`, nobody can say where.
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

/// One thing found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub message: String,
    /// What to do.
    pub advice: String,
}

impl Finding {
    /// Worth knowing.
    pub fn note(place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Note, place, message: message.into(), advice: advice.into() }
    }

    /// Probably a mistake; loaded all the same.
    pub fn warning(place: Place, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, place, message: message.into(), advice: advice.into() }
    }

    /// A mistake that the file itself showed how to mend.
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

/// The findings of one load. Every one is counted; the list stops at [`Findings::LISTED`] of each
/// severity, so that a file of a million faults does not fill the memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    listed: Vec<Finding>,
    counts: [u64; 4],
    is_strict: bool,
}

impl Findings {
    /// The most findings of one severity that are listed.
    pub const LISTED: u64 = 200;

    /// No findings yet; when `is_strict`, warnings and repairs will be rejections.
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

    /// Counts `finding`, and lists it while there is room.
    pub fn add(&mut self, mut finding: Finding) {
        finding.severity = self.judged(finding.severity);
        let count = &mut self.counts[finding.severity as usize];
        *count += 1;
        if *count <= Self::LISTED {
            self.listed.push(finding);
        }
    }

    /// Counts `number` findings that are not listed, because whoever found them kept only the first.
    pub fn add_unlisted(&mut self, severity: Severity, number: u64) {
        self.counts[self.judged(severity) as usize] += number;
    }

    /// Adds the findings of one file to those of the whole load.
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

    /// How many findings of `severity` there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> u64 {
        self.counts[severity as usize]
    }

    /// The listed findings, in the order in which they were found.
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

/// What a load did to one kind of thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// New.
    pub created: u64,
    /// There already, with other content.
    pub updated: u64,
    /// There already, just the same.
    pub unchanged: u64,
    /// Pruned.
    pub removed: u64,
}

/// What a load did, or would have done.
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

/// What became of a date, a number of days or a placeholder in a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotFinding {
    /// The query's id.
    pub query: String,
    /// Where, in lines and columns of the query's own text.
    pub note: metricd_core::sql::SlotNote,
}

/// How a load ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was done, or would have been.
    pub counts: Counts,
    /// What was found in the files.
    pub findings: Findings,
    /// What the queries' slots are.
    pub slots: Vec<SlotFinding>,
    /// Whether anything was written: not after a rejection, nor in a dry run.
    pub written: bool,
}
