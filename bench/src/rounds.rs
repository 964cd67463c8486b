//! Measures contenders in turns, so that other load on the machine affects all of them alike.

use std::array;

use anyhow::{Context as _, Result};

use crate::{
    extent::Extent,
    ground::Ground,
    pgbench,
    server::Server,
    wrk::{Load, Measured},
};

/// A contender: a server under a load, or PostgreSQL under pgbench.
pub(crate) struct Contender<'a> {
    /// Its name in the table.
    pub(crate) name: String,
    way: Way<'a>,
}

enum Way<'a> {
    Http { server: &'a Server, load: Load },
    Pgbench { ground: &'a Ground, database: &'a str, clients: u32 },
}

impl<'a> Contender<'a> {
    /// Creates a contender that is loaded over HTTP.
    pub(crate) fn http(name: impl Into<String>, server: &'a Server, load: Load) -> Self {
        Self { name: name.into(), way: Way::Http { server, load } }
    }

    /// Creates a contender that pgbench loads.
    pub(crate) fn pgbench(
        name: impl Into<String>,
        ground: &'a Ground,
        database: &'a str,
        clients: u32,
    ) -> Self {
        Self { name: name.into(), way: Way::Pgbench { ground, database, clients } }
    }

    async fn run(&self, seconds: u32) -> Result<Measured> {
        match &self.way {
            Way::Http { server, load } => load.run(server, seconds).await,
            Way::Pgbench { ground, database, clients } => {
                pgbench::run(ground, database, *clients, seconds).await
            }
        }
    }
}

/// The medians of each contender, in the order given: all are measured once before any is measured
/// again.
pub(crate) async fn in_turns<const N: usize>(
    contenders: &[Contender<'_>; N],
    extent: Extent,
) -> Result<[Measured; N]> {
    let medians = many_in_turns(contenders, extent).await?;
    Ok(array::from_fn(|place| medians[place]))
}

/// The same for a list of contenders.
pub(crate) async fn many_in_turns(
    contenders: &[Contender<'_>],
    extent: Extent,
) -> Result<Vec<Measured>> {
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 0..=extent.rounds() {
        for (contender, measured) in contenders.iter().zip(&mut rounds) {
            let seconds = if round == 0 { 1 } else { extent.seconds() };
            let one = contender.run(seconds).await.with_context(|| contender.name.clone())?;
            // The first round warms up.
            if round > 0 {
                measured.push(one);
            }
        }
    }
    Ok(rounds.iter().map(|runs| middle(runs)).collect())
}

/// Returns the median of each figure by itself.
pub(crate) fn middle(runs: &[Measured]) -> Measured {
    let optional = |figure: fn(&Measured) -> Option<f64>| {
        let figures: Option<Vec<f64>> = runs.iter().map(figure).collect();
        figures.map(median)
    };
    Measured {
        rate: median(runs.iter().map(|run| run.rate).collect()),
        p50: optional(|run| run.p50),
        p99: optional(|run| run.p99),
        cpu: optional(|run| run.cpu),
        cpu_with_database: optional(|run| run.cpu_with_database),
        busy: optional(|run| run.busy),
    }
}

/// Returns the median; of an even number, the upper one.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unlucky_round_changes_nothing() {
        assert!((median(vec![3.0, 1.0, 900.0]) - 3.0).abs() < f64::EPSILON);
        let run = |rate, p50| Measured {
            rate,
            p50: Some(p50),
            p99: None,
            cpu: Some(1.0),
            cpu_with_database: None,
            busy: None,
        };
        let middle = middle(&[run(10.0, 5.0), run(1.0, 90.0), run(11.0, 4.0)]);
        assert!((middle.rate - 10.0).abs() < f64::EPSILON);
        assert_eq!((middle.p50, middle.p99), (Some(5.0), None));
    }
}
