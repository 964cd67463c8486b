//! The explanation of a decision, for an operator.

use std::fmt;

/// A reference to a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyMention {
    /// Its `@id`, if it has one.
    pub id: Option<String>,
    /// The line where it begins, from 1.
    pub line: usize,
}

impl fmt::Display for PolicyMention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "{id} (line {})", self.line),
            None => write!(f, "the policy in line {}", self.line),
        }
    }
}

/// A decision and its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether it is permitted.
    pub allowed: bool,
    /// The policies that decided, in the order of the file: those that permit, or those that forbid.
    /// None if it is denied because no policy permits it.
    pub determining: Vec<PolicyMention>,
    /// The policies that could not be evaluated and so did not apply, and why.
    pub errors: Vec<String>,
}
