//! Honest callers of a soak: requests at a bounded rate, each of whose answers is compared with the right one.

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{Instant, interval_at},
};

use crate::{
    caller::Caller,
    catalog::{self, METRICS, WINDOW},
};

/// An honest caller.
pub(super) struct Honest {
    /// What it asks for.
    pub(super) name: &'static str,
    caller: Caller,
    /// What it asks for at once, with the right answers.
    targets: Vec<(String, Value)>,
    is_anew: bool,
    /// The time until it asks again.
    pause: Duration,
}

/// What an honest caller came to.
#[derive(Default)]
pub(super) struct Tally {
    /// From the moment at which a request was due to its answer, in microseconds.
    micros: Vec<u32>,
    /// Requests that were answered with another status than 200, or not at all.
    pub(super) refused: u32,
    /// Answers with other rows.
    pub(super) wrong: u32,
    /// The first of both.
    pub(super) first: Option<String>,
}

enum Outcome {
    Right(Duration),
    Refused(String),
    Wrong(String),
}

impl Honest {
    /// Creates the callers: one who is answered from the cache, one who has a dashboard of every metric and is answered
    /// from the database.
    pub(super) async fn callers(cached: Caller, uncached: Caller) -> Result<[Self; 2]> {
        let (often, dashboard) = (Duration::from_millis(20), Duration::from_millis(500));
        Ok([
            Self::new("cached", cached, 1..=1, false, often).await?,
            Self::new("uncached", uncached, 1..=METRICS, true, dashboard).await?,
        ])
    }

    async fn new(
        name: &'static str,
        caller: Caller,
        metrics: RangeInclusive<u32>,
        is_anew: bool,
        pause: Duration,
    ) -> Result<Self> {
        let mut targets = Vec::new();
        for metric in metrics {
            let target = catalog::path(metric) + WINDOW;
            let reply = caller.get(&target, is_anew).await?;
            ensure!(reply.status == 200, "{target}: {}: {}", reply.status, reply.body);
            let right = reply.records()?;
            targets.push((target, right));
        }
        Ok(Self { name, caller, targets, is_anew, pause })
    }

    /// Sends requests for so long, whether or not those before are answered.
    pub(super) async fn ask_for(&self, time: Duration) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut in_flight = JoinSet::new();
        let begun = Instant::now();
        let mut ticks = interval_at(begun + self.pause, self.pause);
        loop {
            let due = ticks.tick().await;
            if due > begun + time {
                break;
            }
            for (target, right) in self.targets.clone() {
                let (caller, is_anew) = (self.caller.clone(), self.is_anew);
                in_flight.spawn(async move { ask(&caller, &target, is_anew, &right, due).await });
            }
            while let Some(outcome) = in_flight.try_join_next() {
                tally.add(outcome?);
            }
        }
        while let Some(outcome) = in_flight.join_next().await {
            tally.add(outcome?);
        }
        Ok(tally)
    }

    /// Asks for everything, one after the other.
    pub(super) async fn ask_once(&self) -> Tally {
        let mut tally = Tally::default();
        for (target, right) in &self.targets {
            tally.add(ask(&self.caller, target, self.is_anew, right, Instant::now()).await);
        }
        tally
    }
}

async fn ask(caller: &Caller, target: &str, is_anew: bool, right: &Value, due: Instant) -> Outcome {
    let reply = match caller.get(target, is_anew).await {
        Ok(reply) => reply,
        Err(error) => return Outcome::Refused(format!("{error:#}")),
    };
    let time = due.elapsed();
    if reply.status != 200 {
        return Outcome::Refused(format!("{}: {}", reply.status, reply.body));
    }
    match reply.records() {
        Ok(records) if records == *right => Outcome::Right(time),
        _ => Outcome::Wrong(reply.body),
    }
}

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        let said = match outcome {
            Outcome::Right(time) => {
                self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
                return;
            }
            Outcome::Refused(said) => {
                self.refused += 1;
                said
            }
            Outcome::Wrong(said) => {
                self.wrong += 1;
                said
            }
        };
        self.first.get_or_insert(said);
    }

    /// Returns the number of requests.
    pub(super) fn requests(&self) -> u32 {
        u32::try_from(self.micros.len()).unwrap_or(u32::MAX) + self.refused + self.wrong
    }

    /// Returns the latency that so many of 100 right answers had at most, in microseconds.
    pub(super) fn percentile(&self, of_hundred: usize) -> Option<f64> {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * of_hundred).div_ceil(100);
        sorted.get(rank.checked_sub(1)?).copied().map(f64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_latency_that_was_measured() {
        let tally = Tally { micros: (1..=200).rev().collect(), ..Tally::default() };
        assert_eq!((tally.percentile(50), tally.percentile(99)), (Some(100.0), Some(198.0)));
        assert_eq!(Tally::default().percentile(99), None);
    }

    #[test]
    fn what_is_refused_or_wrong_has_no_latency() {
        let mut tally = Tally::default();
        tally.add(Outcome::Right(Duration::from_micros(7)));
        tally.add(Outcome::Refused("503".into()));
        tally.add(Outcome::Wrong("[]".into()));
        assert_eq!((tally.requests(), tally.refused, tally.wrong), (3, 1, 1));
        assert_eq!((tally.percentile(99), tally.first.as_deref()), (Some(7.0), Some("503")));
    }
}
