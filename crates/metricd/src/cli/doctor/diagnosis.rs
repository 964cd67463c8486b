//! What is found of one thing.

use serde::Serialize;

/// How good or bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DiagnosisLevel {
    Ok,
    /// It works, and may not for long, or not as meant.
    Warning,
    Fault,
}

impl DiagnosisLevel {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// What was found of one thing.
#[derive(Debug, Serialize)]
pub(super) struct Diagnosis {
    pub(super) check: &'static str,
    pub(super) status: DiagnosisLevel,
    pub(super) message: String,
    /// What to do about it.
    pub(super) remedy: Option<String>,
}

impl Diagnosis {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: DiagnosisLevel::Ok, message: message.into(), remedy: None }
    }

    pub(super) fn warning(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (message, remedy) = (message.into(), Some(remedy.into()));
        Self { check, status: DiagnosisLevel::Warning, message, remedy }
    }

    pub(super) fn fault(
        check: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status: DiagnosisLevel::Fault, ..Self::warning(check, message, remedy) }
    }
}
