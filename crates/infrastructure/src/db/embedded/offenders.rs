//! Which queries have ended the embedded PostgreSQL, and how often: past a limit they are not run any more.
//!
//! Must never hold more of them than [`MAX_OFFENDERS`]: a client can make new ones without end.

use std::sync::Arc;

use quick_cache::sync::Cache;
use thiserror::Error;

/// How often a query may end the engine.
const MAX_ENDS: u32 = 3;

/// How many queries are known, at most.
const MAX_OFFENDERS: usize = 1_000;

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "this query has ended the embedded PostgreSQL {MAX_ENDS} times, the last time because {reason}; it is refused \
     until its SQL changes or metricd is restarted"
)]
pub(in crate::db) struct EndedEngine {
    reason: Arc<str>,
}

#[derive(Clone)]
struct Offence {
    ends: u32,
    reason: Arc<str>,
}

/// Queries by their SQL.
pub(super) struct Offenders(Cache<Arc<str>, Offence>);

impl Default for Offenders {
    fn default() -> Self {
        Self(Cache::new(MAX_OFFENDERS))
    }
}

impl Offenders {
    /// A query has ended the engine.
    pub(super) fn note(&self, sql: &Arc<str>, reason: &str) {
        let ends = self.0.get(sql).map_or(0, |offence| offence.ends) + 1;
        self.0.insert(Arc::clone(sql), Offence { ends, reason: reason.into() });
    }

    /// Why a query is refused, if it is.
    pub(super) fn refusal(&self, sql: &str) -> Option<EndedEngine> {
        let Offence { ends, reason } = self.0.get(sql)?;
        (ends >= MAX_ENDS).then_some(EndedEngine { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_refused_once_it_has_ended_the_engine_three_times() {
        let offenders = Offenders::default();
        for _ in 0..3 {
            assert_eq!(offenders.refusal("SELECT 1"), None);
            offenders.note(&"SELECT 1".into(), "it took too long");
        }
        let refusal = offenders.refusal("SELECT 1").unwrap().to_string();
        assert!(refusal.contains("it took too long"), "{refusal}");
        assert_eq!(offenders.refusal("SELECT 2"), None);
    }

    #[test]
    fn however_many_there_are_only_some_are_known() {
        let offenders = Offenders::default();
        for number in 0..3 * MAX_OFFENDERS {
            offenders.note(&format!("SELECT {number}").into(), "it took too long");
        }
        assert!(offenders.0.len() <= MAX_OFFENDERS);
    }
}
