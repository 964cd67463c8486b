//! What was visible to every transaction, and since when: by this process's monotonic clock, since no two
//! machines' clocks agree.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use metricd_core::changes::TransactionId;

/// The oldest running transactions of the past: all before them had ended by then.
#[derive(Debug, Default)]
pub(super) struct Horizons(VecDeque<(Instant, TransactionId)>);

impl Horizons {
    /// Records that all transactions before `xmin` have ended by `now`, and returns the latest such one
    /// of at least `keep` ago. Older ones are dropped.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        xmin: TransactionId,
        keep: Duration,
    ) -> Option<TransactionId> {
        self.0.push_back((now, xmin));
        let mut past = None;
        while let Some((at, xmin)) = self.0.front()
            && now.duration_since(*at) >= keep
        {
            past = Some(*xmin);
            self.0.pop_front();
        }
        past
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_past_when_it_was_for_long_enough() {
        let start = Instant::now();
        let mut horizons = Horizons::default();
        let hour = Duration::from_hours(1);
        let mut pass = |minute: u64, xmin| {
            let now = start + Duration::from_mins(minute);
            horizons.pass(now, TransactionId(xmin), hour).map(|TransactionId(id)| id)
        };
        assert_eq!(pass(0, 10), None);
        assert_eq!(pass(30, 20), None);
        assert_eq!(pass(59, 20), None);
        assert_eq!(pass(60, 30), Some(10));
        assert_eq!(pass(61, 40), None);
        assert_eq!(pass(119, 50), Some(20));
        assert_eq!(pass(500, 60), Some(50));
    }

    #[test]
    fn what_is_kept_for_no_time_is_past_at_once() {
        let mut horizons = Horizons::default();
        let id = TransactionId(7);
        assert_eq!(horizons.pass(Instant::now(), id, Duration::ZERO), Some(id));
    }
}
