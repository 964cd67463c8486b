//! What the connection of the embedded PostgreSQL is used for, and how long the engine may go on with it.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::db::purpose::Purpose;

/// How long the engine may go on with what its connection is used for.
#[derive(Debug, Clone, Copy)]
pub(super) struct UsageLimits {
    pub(super) request: Duration,
    pub(super) upload: Duration,
    pub(super) query: Duration,
}

/// One use of the connection.
pub(super) struct Usage {
    /// The author's SQL, if it is that which runs.
    pub(super) sql: Option<Arc<str>>,
    terms: Terms,
    pub(super) begun: Instant,
    /// When its caller was gone.
    left: Option<Instant>,
    is_upload: bool,
}

/// What its deadline depends on.
enum Terms {
    Own,
    Write,
    Query(Duration),
    Export,
}

impl Usage {
    pub(super) fn new(purpose: Purpose<'_>, begun: Instant) -> Self {
        let terms = match purpose {
            Purpose::Own => Terms::Own,
            Purpose::Write => Terms::Write,
            Purpose::Query { time, .. } => Terms::Query(time),
            Purpose::Export { .. } => Terms::Export,
        };
        Self { sql: purpose.sql().map(Arc::from), terms, begun, left: None, is_upload: false }
    }

    pub(super) fn is_upload(&mut self) {
        self.is_upload = true;
    }

    pub(super) fn leave(&mut self, now: Instant) {
        self.left.get_or_insert(now);
    }

    /// How long the engine may go on with it; `None` while its caller, who has a deadline itself, decides.
    pub(super) fn deadline(&self, limits: &UsageLimits) -> Option<Instant> {
        match (&self.terms, self.left) {
            (Terms::Query(time), _) => Some(self.begun + *time),
            (Terms::Own, _) => Some(self.begun + limits.request),
            (Terms::Export | Terms::Write, None) => None,
            // An export without a receiver has only its last answer left.
            (Terms::Export, Some(left)) => Some(left + limits.query),
            (Terms::Write, Some(left)) => {
                let time = if self.is_upload { limits.upload } else { limits.request };
                Some(left.max(self.begun + time))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIMITS: UsageLimits = UsageLimits {
        request: Duration::from_secs(30),
        upload: Duration::from_mins(10),
        query: Duration::from_secs(25),
    };

    fn deadline(purpose: Purpose<'_>, is_upload: bool, left: Option<u32>) -> Option<u64> {
        let begun = Instant::now();
        let mut usage = Usage::new(purpose, begun);
        if is_upload {
            usage.is_upload();
        }
        if let Some(left) = left {
            usage.leave(begun + left * SECOND);
        }
        Some((usage.deadline(&LIMITS)? - begun).as_secs())
    }

    #[test]
    fn a_query_may_go_on_until_its_own_deadline_whether_its_caller_waits_or_not() {
        for left in [None, Some(1), Some(20)] {
            let query = || Purpose::Query { sql: Some("SELECT 1"), time: 7 * SECOND };
            assert_eq!(deadline(query(), false, left), Some(7));
        }
    }

    #[test]
    fn a_write_is_judged_by_its_request_and_an_upload_by_its_own_time() {
        assert_eq!(deadline(Purpose::Write, false, None), None);
        assert_eq!(deadline(Purpose::Write, true, None), None);
        assert_eq!(deadline(Purpose::Write, false, Some(3)), Some(30));
        assert_eq!(deadline(Purpose::Write, false, Some(40)), Some(40));
        assert_eq!(deadline(Purpose::Write, true, Some(40)), Some(600));
    }

    #[test]
    fn an_export_that_is_not_taken_has_the_time_of_one_answer() {
        let export = || Purpose::Export { sql: "SELECT 1" };
        assert_eq!(deadline(export(), false, None), None);
        assert_eq!(deadline(export(), false, Some(100)), Some(125));
    }
}
