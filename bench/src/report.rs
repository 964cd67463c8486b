//! The report of a run, as a Markdown page: ratios first, each beside its target, then the figures.

use std::fmt::{self, Display, Write as _};

use crate::{rounds::Contender, wrk::Measured};

/// The findings of a section.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// The ratios of metricd to other contenders.
    pub(crate) ratios: Vec<Ratio>,
    /// The figures.
    pub(crate) tables: Vec<Table>,
}

/// A ratio of metricd to another contender.
#[derive(Debug)]
pub(crate) struct Ratio {
    /// What is compared.
    pub(crate) what: String,
    /// metricd's figure.
    pub(crate) ours: String,
    /// The other contender, with its figure.
    pub(crate) beside: String,
    /// The ratio.
    pub(crate) times: f64,
    /// The target.
    pub(crate) target: Option<Target>,
}

impl Ratio {
    /// Whether it is what it should be, if it should be anything.
    pub(crate) fn is_met(&self) -> bool {
        self.target.is_none_or(|target| target.is_met(self.times))
    }
}

/// The target of a ratio.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    fn is_met(self, times: f64) -> bool {
        match self {
            Self::AtLeast(least) => times >= least,
            Self::AtMost(most) => times <= most,
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least:.2}"),
            Self::AtMost(most) => write!(f, "≤ {most:.2}"),
        }
    }
}

/// Figures under one heading.
#[derive(Debug)]
pub(crate) struct Table {
    /// The heading.
    pub(crate) title: String,
    /// What has to be known to read it.
    pub(crate) note: &'static str,
    /// The columns.
    pub(crate) head: &'static [&'static str],
    /// The rows.
    pub(crate) rows: Vec<Vec<String>>,
}

/// The columns of what was asked over and over.
pub(crate) const RATES: &[&str] =
    &["", "answers/s", "p50", "p99", "its processor's time for one", "its core busy"];

impl Findings {
    /// What several contenders came to.
    pub(crate) fn rates(
        title: impl Into<String>,
        note: &'static str,
        contenders: &[Contender<'_>],
        runs: &[Measured],
    ) -> Self {
        let rows = contenders
            .iter()
            .zip(runs)
            .map(|(contender, run)| rates_row(contender.name.clone(), run));
        let table = Table { title: title.into(), note, head: RATES, rows: rows.collect() };
        Self { ratios: Vec::new(), tables: vec![table] }
    }

    /// Adds how many times as many answers metricd gives as something else.
    pub(crate) fn compare_rates(
        &mut self,
        what: &str,
        ours: &Measured,
        beside: (&str, &Measured),
        target: Option<Target>,
    ) {
        let (name, theirs) = beside;
        self.ratios.push(Ratio {
            what: format!("{what}, answers/s"),
            ours: number(ours.rate),
            beside: format!("{name}: {}", number(theirs.rate)),
            times: ours.rate / theirs.rate,
            target,
        });
    }

    /// Adds how many times as much of something that is measured in microseconds metricd takes, if both
    /// were measured.
    pub(crate) fn compare_micros(
        &mut self,
        what: &str,
        ours: Option<f64>,
        beside: (&str, Option<f64>),
        target: Option<Target>,
    ) {
        if let (Some(ours), (name, Some(theirs))) = (ours, beside) {
            self.ratios.push(Ratio {
                what: what.to_owned(),
                ours: micros(ours),
                beside: format!("{name}: {}", micros(theirs)),
                times: ours / theirs,
                target,
            });
        }
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        if !self.note.is_empty() {
            writeln!(f, "{}\n", self.note)?;
        }
        write_table(f, self.head, &self.rows)
    }
}

/// The row of what was asked over and over.
pub(crate) fn rates_row(name: String, run: &Measured) -> Vec<String> {
    let optional = |figure: Option<f64>, write: fn(f64) -> String| {
        figure.map_or_else(|| "–".to_owned(), write)
    };
    vec![
        name,
        number(run.rate),
        optional(run.p50, micros),
        optional(run.p99, micros),
        optional(run.cpu, micros),
        optional(run.busy, |share| format!("{:.0} %", share * 100.0)),
    ]
}

/// The table of all ratios.
pub(crate) fn ratios(all: &[Ratio]) -> String {
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|row| {
            let (target, met) = match row.target {
                Some(target) => {
                    let met = if row.is_met() { "met" } else { "**not met**" };
                    (target.to_string(), met.to_owned())
                }
                None => (String::new(), String::new()),
            };
            let (what, ours, beside) = (row.what.clone(), row.ours.clone(), row.beside.clone());
            vec![what, ours, beside, format!("{:.2}", row.times), target, met]
        })
        .collect();
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write_table(&mut text, &["", "metricd", "beside", "ratio", "target", ""], &rows);
    text
}

/// A table in Markdown whose columns also stand in line on a terminal.
fn write_table(f: &mut impl fmt::Write, head: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count().max(3)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut line = |cells: &mut dyn Iterator<Item = String>| -> fmt::Result {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            write!(text, "| {cell:width$} ")?;
        }
        writeln!(f, "{text}|")
    };
    line(&mut head.iter().map(ToString::to_string))?;
    line(&mut widths.iter().map(|width| "-".repeat(*width)))?;
    for row in rows {
        line(&mut row.iter().cloned())?;
    }
    Ok(())
}

/// A number with its thousands apart, and decimals where there are few digits.
pub(crate) fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time that is given in microseconds.
pub(crate) fn micros(value: f64) -> String {
    if value < 1_000.0 {
        format!("{value:.1} µs")
    } else if value < 1e6 {
        format!("{:.2} ms", value / 1e3)
    } else {
        format!("{:.2} s", value / 1e6)
    }
}

/// Bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let texts = [7.25, 100.0, 1_234.4, 12_345_678.0].map(number);
        assert_eq!(texts, ["7.2", "100", "1,234", "12,345,678"]);
        let times = [8.25, 1_500.0, 2_500_000.0].map(micros);
        assert_eq!(times, ["8.2 µs", "1.50 ms", "2.50 s"]);
    }

    #[test]
    fn a_ratio_says_whether_it_is_what_it_should_be() {
        let ratio = |times, target| Ratio {
            what: "cached".into(),
            ours: "7".into(),
            beside: "axum: 10".into(),
            times,
            target,
        };
        let table = ratios(&[
            ratio(0.7, Some(Target::AtLeast(0.7))),
            ratio(3.1, Some(Target::AtMost(3.0))),
            ratio(0.5, None),
        ]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| cached | 7       | axum: 10 | 0.70  | ≥ 0.70 | met         |",
                "| cached | 7       | axum: 10 | 3.10  | ≤ 3.00 | **not met** |",
                "| cached | 7       | axum: 10 | 0.50  |        |             |",
            ]
        );
    }
}
