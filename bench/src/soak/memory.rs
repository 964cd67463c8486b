//! The memory of the servers of a soak, sampled while it lasts.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, interval};

use crate::{
    report::{Ratio, Target, megabytes},
    rounds::median,
    server::Server,
};

const PAUSE: Duration = Duration::from_millis(500);

/// What is flat has at the end at most so many times of what it had after the first minute.
const FLAT: Target = Target::AtMost(1.25);

/// Samples of one thing's memory.
pub(super) struct Samples {
    /// What has the memory.
    pub(super) what: &'static str,
    /// Since the begin, in bytes.
    taken: Vec<(Duration, u64)>,
}

/// Samples the memory of a server for so long, and of PostgreSQL's sessions if it is on one.
pub(super) async fn sample(
    server: &Server,
    is_native: bool,
    time: Duration,
) -> Result<Vec<Samples>> {
    let name = if is_native { "metricd" } else { "metricd with its engine" };
    let mut ours = Samples { what: name, taken: Vec::new() };
    let mut database = Samples { what: "PostgreSQL's processes", taken: Vec::new() };
    let begun = Instant::now();
    let mut ticks = interval(PAUSE);
    while begun.elapsed() < time {
        ticks.tick().await;
        ours.taken.push((begun.elapsed(), server.resident()?));
        if is_native {
            database.taken.push((begun.elapsed(), server.database_private()?));
        }
    }
    Ok(if is_native { vec![ours, database] } else { vec![ours] })
}

impl Samples {
    /// Returns the median of what was resident between two moments, in bytes.
    fn between(&self, from: Duration, to: Duration) -> f64 {
        let taken = self.taken.iter().filter(|(at, _)| (from..=to).contains(at));
        #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 bytes")]
        median(taken.map(|(_, bytes)| *bytes as f64).collect())
    }

    /// Compares the last `minute` of `time` with the one after the first: in both, the same hostile callers were at work.
    pub(super) fn growth(&self, engine: &str, minute: Duration, time: Duration) -> Ratio {
        let early = self.between(minute, 2 * minute);
        let late = self.between(time.saturating_sub(minute), time);
        Ratio {
            what: format!("{engine}: memory of {}, in the last minute", self.what),
            ours: bytes(late),
            beside: format!("in the second one: {}", bytes(early)),
            times: late / early,
            target: Some(FLAT),
        }
    }

    /// Returns the most that was resident, in bytes.
    pub(super) fn most(&self) -> u64 {
        self.taken.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default()
    }
}

fn bytes(number: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was made from a number of bytes"
    )]
    megabytes(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_no_growth_and_a_slope_is() {
        let growth = |sample: fn(u64) -> u64| {
            let taken = (0..600).map(|at| (Duration::from_secs(at), sample(at))).collect();
            let samples = Samples { what: "metricd", taken };
            samples.growth("native", Duration::from_mins(1), Duration::from_mins(10)).is_met()
        };
        assert!(growth(|at| if at % 60 < 20 { 900 } else { 100 }));
        assert!(!growth(|at| 100 + at));
    }
}
