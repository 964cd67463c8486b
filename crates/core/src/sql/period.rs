//! The length of a query's period in days, weeks, months, quarters and years, and the numbers, intervals
//! and words that say it.
//!
//! Never asks what day it is. In doubt it is the same length: "a month" is 28 to 31 days.

use chrono::NaiveDate;
use pg_query::{
    Node, NodeEnum,
    protobuf::{AConst, FuncCall, a_const::Val},
};

use super::{
    intervals::HOUR,
    literals::concatenated,
    tree::{binary, cast_parts, integer_constant, plain_call, string_constant},
};

/// The period of a query.
#[derive(Debug, Clone, Copy)]
pub(super) enum NamedPeriod {
    /// From the first to the last day.
    Range(NaiveDate, NaiveDate),
    /// A number of days back from today.
    DaysBack(u32),
}

/// A unit of the calendar in which a period has a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LengthUnit {
    Days,
    Weeks,
    Months,
    Quarters,
    Years,
}

impl LengthUnit {
    pub(super) const ALL: [Self; 5] =
        [Self::Days, Self::Weeks, Self::Months, Self::Quarters, Self::Years];

    /// Returns the words for one of them, the plainest first.
    pub(super) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Days => &["day", "daily"],
            Self::Weeks => &["week", "weekly", "wk"],
            Self::Months => &["month", "monthly"],
            Self::Quarters => &["quarter", "quarterly", "qtr"],
            Self::Years => &["year", "yearly", "annual", "annually", "yr"],
        }
    }

    /// Whether a word names it, in the singular or plural.
    pub(super) fn is_called(self, word: &str) -> bool {
        self.words()
            .iter()
            .any(|name| word.strip_prefix(name).is_some_and(|rest| ["", "s"].contains(&rest)))
    }

    /// Returns the letter that stands for it after a number: `30d`, `3m`.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Days => 'd',
            Self::Weeks => 'w',
            Self::Months => 'm',
            Self::Quarters => 'q',
            Self::Years => 'y',
        }
    }
}

impl NamedPeriod {
    /// Returns its first and last day, if it has fixed ones.
    pub(super) fn range(self) -> Option<(NaiveDate, NaiveDate)> {
        match self {
            Self::Range(first, last) => Some((first, last)),
            Self::DaysBack(_) => None,
        }
    }

    /// Returns its days: all dates of a range, and those back from today.
    pub(super) fn days(self) -> u32 {
        match self {
            Self::Range(first, last) => {
                u32::try_from((last - first).num_days() + 1).unwrap_or_default()
            }
            Self::DaysBack(days) => days,
        }
    }

    /// Returns how many units it has, if a whole number of them.
    pub(super) fn count(self, unit: LengthUnit) -> Option<u32> {
        let days = self.days();
        let months = || {
            let months = (days + 15) / 30;
            // A year of 365 days is 12 months, and so are 360 days.
            let months = if months > 6 { (days * 12 + 182) / 365 } else { months };
            is_months(days, months).then_some(months)
        };
        let of = |count: u32, size: u32| count.is_multiple_of(size).then_some(count / size);
        let count = match unit {
            LengthUnit::Days => Some(days),
            LengthUnit::Weeks => of(days, 7),
            LengthUnit::Months => months(),
            LengthUnit::Quarters => of(months()?, 3),
            LengthUnit::Years => of(months()?, 12),
        };
        count.filter(|count| *count > 0)
    }

    /// Whether an interval is as long.
    pub(super) fn is_as_long_as(self, amount: TimeAmount) -> bool {
        let days = f64::from(self.days());
        if amount.months < 0.5 {
            return days > 1.5 && is(amount.days, days);
        }
        let least = amount.months * 30.0 - 2.0 + amount.days;
        (least..=amount.months * 31.0 + amount.days).contains(&days)
    }

    /// Whether a series has as many members as it has days, weeks, months, quarters or years.
    pub(super) fn has_as_many(self, members: f64) -> bool {
        let is_count = |unit| self.count(unit).is_some_and(|count| is(members, f64::from(count)));
        // A month touches five weeks.
        let is_weeks_of_a_month =
            self.count(LengthUnit::Months) == Some(1) && (is(members, 4.0) || is(members, 5.0));
        members > 1.5 && (LengthUnit::ALL.into_iter().any(is_count) || is_weeks_of_a_month)
    }

    /// Returns what to divide by instead, if dividing by `value` is dividing by the period's length.
    pub(super) fn instead_of_divisor(self, value: f64) -> Option<String> {
        let days = f64::from(self.days());
        let (window, dates) = match self {
            Self::Range(..) => ("(:end_date - :start_date + 1)", days),
            // Days back from today are one date less than the window has.
            Self::DaysBack(_) => (":day_range", days + 1.0),
        };
        let months = self.count(LengthUnit::Months).map_or(0.0, f64::from);
        // Hundredths, minutes and the like are nearly no length.
        let others = [10.0, 24.0, 60.0, 100.0, 1_000.0, 3_600.0];
        let slack = if others.into_iter().any(|other| is(value, other)) { 0.0 } else { 0.05 };
        let near = |count: f64| {
            let slack = (count * slack).max(1e-6);
            count > 1.5 && (value - count).abs() <= slack
        };
        let is_days = (days > 1.5 && is(value, days))
            || days > 27.5 && near(days)
            || months > 0.5 && (months * 28.0..=months * 31.0).contains(&value);
        let is_hours = is(value, days * 24.0) || is(value, dates * 24.0) && dates > 1.5;
        Some(if matches!(self, Self::DaysBack(_)) && is(value, dates) && dates > 1.5 {
            "`(:day_range + 1)` for its number of dates".to_owned()
        } else if is_days {
            format!("`{window}` for its number of days")
        } else if is_hours {
            format!("`({window} * 24)` for its number of hours")
        } else if is(value, days * 1_440.0) || days > 1.5 && is(value, days * 86_400.0) {
            format!("`({window} * {})` for its length", value / days)
        } else if near(days / 7.0) || months > 0.5 && is(value, months * 4.0) {
            format!("`({window} / 7.0)` for its number of weeks")
        } else if near(days / 30.44) || months > 1.5 && is(value, months) {
            format!("`({window} / 30.44)` for its number of months")
        } else if near(days / 91.31) {
            format!("`({window} / 91.31)` for its number of quarters")
        } else if near(days / 365.25) {
            format!("`({window} / 365.25)` for its number of years")
        } else if days > 6.5 && near(days * 5.0 / 7.0)
            || is(months, 1.0) && (20.0..=23.0).contains(&value)
        {
            format!("`({window} * 5 / 7.0)` for its number of working days")
        } else {
            return None;
        })
    }

    /// Whether multiplying by `value` makes a year of it.
    pub(super) fn makes_a_year(self, value: f64) -> bool {
        let is_year = |unit, year: u32, most: u32| {
            let count = self.count(unit).filter(|count| *count <= most);
            count.is_some_and(|count| is(value * f64::from(count), f64::from(year)))
        };
        is_year(LengthUnit::Months, 12, 3) || is_year(LengthUnit::Weeks, 52, 2)
    }

    /// Whether the name of a column says its length: `last_30_days`, `orders_7d`, `last_week`. A `month` may be
    /// a bucket.
    pub(super) fn is_in_a_name(self, name: &str) -> bool {
        let words = name_words(name);
        LengthUnit::ALL.into_iter().any(|unit| {
            let Some(count) = self.count(unit) else {
                return false;
            };
            let number = count.to_string();
            let is_last = |word: &str| {
                ["last", "past", "previous", "prev", "this", "current", "trailing"].contains(&word)
            };
            let is_counted = |word: &str| {
                let word = word.strip_prefix('l').unwrap_or(word);
                word.strip_prefix(&number).is_some_and(|rest| {
                    rest.len() == 1 && rest.starts_with(unit.letter()) || unit.is_called(rest)
                })
            };
            let is_pair = |pair: &[String]| {
                pair[0] == number && unit.is_called(&pair[1])
                    || count == 1 && is_last(&pair[0]) && unit.is_called(&pair[1])
                    || unit == LengthUnit::Days && is_last(&pair[0]) && pair[1] == number
            };
            words.windows(2).any(is_pair) || words.iter().any(|word| count > 1 && is_counted(word))
        })
    }

    /// Whether words say its length: `last 3 months`, `30d`, `weekly`.
    pub(super) fn is_in_words(self, text: &str) -> bool {
        let lower = text.to_lowercase();
        let parts = lower.split(|c: char| !c.is_alphanumeric() && c != '.');
        let words: Vec<_> =
            parts.map(|part| part.trim_end_matches('.')).filter(|part| !part.is_empty()).collect();
        LengthUnit::ALL.into_iter().any(|unit| {
            let Some(count) =
                self.count(unit).filter(|count| *count > 1 || unit != LengthUnit::Days)
            else {
                return false;
            };
            let number = count.to_string();
            let letters =
                [format!("{number}{}", unit.letter()), format!("l{number}{}", unit.letter())];
            let counted = words.windows(2).any(|pair| pair[0] == number && unit.is_called(pair[1]));
            let is_short = |word: &&str| letters.iter().any(|short| word == short);
            let is_one = |word: &&str| count == 1 && unit.is_called(word);
            counted || words.iter().any(|word| is_short(word) || is_one(word))
        })
    }
}

/// Returns the words of a name: `last30days` has two.
fn name_words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    let words = parts.flat_map(|part| {
        let letters = part.find(|c: char| c.is_ascii_digit()).unwrap_or(0);
        // Not `q2`, `h1` and `fy2025`.
        if letters > 3 { vec![&part[..letters], &part[letters..]] } else { vec![part] }
    });
    words.map(str::to_owned).collect()
}

/// Whether so many days are so many months, of the calendar or of 30 days.
fn is_months(days: u32, months: u32) -> bool {
    months > 0 && (months * 30 - 2..=months * 31).contains(&days)
}

/// Whether two numbers are the same but for the last digits.
pub(super) fn is(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

/// An amount of time as it is written, without its sign.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TimeAmount {
    pub(super) months: f64,
    pub(super) days: f64,
}

impl TimeAmount {
    /// Reads `interval '3 months'`, `2 * interval '1 week'`, `make_interval(days => 30)`.
    pub(super) fn read(node: &Node) -> Option<Self> {
        if let Some((arg, ty, "interval")) = cast_parts(node) {
            let text = concatenated(arg)?;
            let unit = ty.typmods.first().and_then(integer_constant).and_then(field);
            let count = unit.and_then(|unit| Some((text.trim().parse::<f64>().ok()?, unit)));
            return match count {
                Some((count, unit)) => Self::of(count, unit),
                None => Self::in_text(&text),
            };
        }
        match (binary(node), plain_call(node)) {
            (Some((left, "*", right)), _) => {
                let ((count, _), unit) = match number(left) {
                    Some(count) => (count, Self::read(right)?),
                    None => (number(right)?, Self::read(left)?),
                };
                let count = count.abs();
                Some(Self { months: unit.months * count, days: unit.days * count })
            }
            (_, Some(("make_interval", call))) => Self::made(call),
            _ => None,
        }
    }

    /// Reads `3 months`, `1 year 2 mons`, `720:00:00`, `P30D`.
    pub(super) fn in_text(text: &str) -> Option<Self> {
        let lower = text.trim().trim_start_matches(['@', '+']).trim().to_ascii_lowercase();
        let is_iso = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit() || c == 't');
        let sum = match lower.strip_prefix('p').filter(is_iso) {
            Some(iso) => {
                let (days, time) = iso.split_once('t').unwrap_or((iso, ""));
                let (days, time) = (Self::in_words(days, "months")?, Self::in_words(time, "m")?);
                Self { months: days.months, days: days.days + time.days }
            }
            None => Self::in_words(&lower, "m")?,
        };
        (sum.months > 0.0 || sum.days > 0.0).then_some(sum)
    }

    /// Reads numbers with units, where `m` means the unit `minutes_or_months`.
    fn in_words(text: &str, minutes_or_months: &str) -> Option<Self> {
        let mut rest = text;
        let mut sum = Self { months: 0.0, days: 0.0 };
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && !".:-".contains(c));
            let (number, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
            let after = after.trim_start();
            let (count, unit, next) = if let Some((hours, _)) = number.split_once(':') {
                (hours, "hours", after)
            } else {
                let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
                let (unit, next) = after.split_at_checked(end)?;
                (number, unit, next.trim_start())
            };
            let unit = if unit == "m" { minutes_or_months } else { unit };
            let part = Self::of(count.parse().ok()?, unit)?;
            sum = Self { months: sum.months + part.months, days: sum.days + part.days };
            rest = next.strip_prefix("ago").unwrap_or(next);
        }
        Some(sum)
    }

    fn made(call: &FuncCall) -> Option<Self> {
        let units = ["years", "months", "weeks", "days", "hours"];
        let mut sum = Self { months: 0.0, days: 0.0 };
        for (index, argument) in call.args.iter().enumerate() {
            let (unit, value) = match &argument.node {
                Some(NodeEnum::NamedArgExpr(named)) => (named.name.as_str(), named.arg.as_deref()?),
                _ => (*units.get(index)?, argument),
            };
            let part = Self::of(folded(value)?, unit)?;
            sum = Self { months: sum.months + part.months, days: sum.days + part.days };
        }
        Some(sum)
    }

    fn of(count: f64, unit: &str) -> Option<Self> {
        let count = count.abs();
        let (months, days) = match unit {
            "years" | "year" | "yrs" | "yr" | "y" => (count * 12.0, 0.0),
            "months" | "month" | "mons" | "mon" => (count, 0.0),
            "weeks" | "week" | "w" => (0.0, count * 7.0),
            "days" | "day" | "d" => (0.0, count),
            "hours" | "hour" | "hrs" | "hr" | "h" => (0.0, count * HOUR),
            "minutes" | "minute" | "mins" | "min" | "m" => (0.0, count * HOUR / 60.0),
            "seconds" | "second" | "secs" | "sec" | "s" => (0.0, count * HOUR / 3_600.0),
            _ => return None,
        };
        Some(Self { months, days })
    }
}

/// Returns the unit of `INTERVAL '3' MONTH`, by PostgreSQL's bits.
fn field(bits: i32) -> Option<&'static str> {
    Some(match bits {
        4 => "year",
        2 => "month",
        8 => "day",
        0x400 => "hour",
        _ => return None,
    })
}

/// Returns the value of constants that are added, multiplied and divided.
pub(super) fn folded(node: &Node) -> Option<f64> {
    if let Some((arg, _, name)) = cast_parts(node) {
        let is_number = ["int2", "int4", "int8", "numeric", "float4", "float8"].contains(&name);
        let text = string_constant(arg).and_then(|(text, _)| text.trim().parse().ok());
        return text.or_else(|| folded(arg)).filter(|_| is_number);
    }
    match binary(node) {
        Some((left, "+", right)) => Some(folded(left)? + folded(right)?),
        Some((left, "-", right)) => Some(folded(left)? - folded(right)?),
        Some((left, "*", right)) => Some(folded(left)? * folded(right)?),
        Some((left, "/", right)) => Some(folded(left)? / folded(right)?),
        _ => number(node).map(|(value, _)| value),
    }
}

/// A number as it is written, and its location.
pub(super) fn number(node: &Node) -> Option<(f64, i32)> {
    let Some(NodeEnum::AConst(AConst { val: Some(val), location, .. })) = &node.node else {
        return None;
    };
    let value = match val {
        Val::Ival(value) => f64::from(value.ival),
        Val::Fval(value) => value.fval.parse().ok()?,
        _ => return None,
    };
    Some((value, *location))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: &str, last: &str) -> NamedPeriod {
        NamedPeriod::Range(first.parse().unwrap(), last.parse().unwrap())
    }

    #[test]
    fn whole_months_of_the_calendar_are_so_many_months() {
        let first = NaiveDate::from_ymd_opt(2023, 1, 1).unwrap();
        for (start, months) in (0..36).flat_map(|start| (1..=24).map(move |months| (start, months)))
        {
            let first = first + chrono::Months::new(start);
            let last = first + chrono::Months::new(months) - chrono::Days::new(1);
            let period = NamedPeriod::Range(first, last);
            assert_eq!(period.count(LengthUnit::Months), Some(months), "{first} to {last}");
            let year = months.is_multiple_of(12).then_some(months / 12);
            assert_eq!(period.count(LengthUnit::Years), year, "{first} to {last}");
        }
    }

    #[test]
    fn other_lengths_are_no_months() {
        for days in [1, 7, 14, 21, 27, 33, 40, 45, 50, 70, 77, 100, 140, 200, 250] {
            assert_eq!(NamedPeriod::DaysBack(days).count(LengthUnit::Months), None, "{days}");
        }
        for (days, months) in [(28, 1), (30, 1), (60, 2), (90, 3), (180, 6), (360, 12), (365, 12)] {
            assert_eq!(NamedPeriod::DaysBack(days).count(LengthUnit::Months), Some(months));
        }
    }

    #[test]
    fn amounts_of_time_are_read_in_their_spellings() {
        let cases = [
            ("30 days", Some((0.0, 30.0))),
            ("-2 weeks", Some((0.0, 14.0))),
            ("@ 1 month ago", Some((1.0, 0.0))),
            ("1 year 2 mons 3 days", Some((14.0, 3.0))),
            ("720:00:00", Some((0.0, 30.0))),
            ("1 day 12:00", Some((0.0, 1.5))),
            ("P1Y2M", Some((14.0, 0.0))),
            ("PT168H", Some((0.0, 7.0))),
            ("P1MT1440M", Some((1.0, 1.0))),
            ("P", None),
            ("30", None),
            ("month", None),
            ("2025-06-01", None),
            ("1 fortnight", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let amount = TimeAmount::in_text(text).map(|amount| (amount.months, amount.days));
            assert_eq!(amount, expected, "{text}");
        }
    }

    #[test]
    fn a_divisor_is_told_in_the_unit_that_it_counts() {
        let june = range("2025-06-01", "2025-06-30");
        let year = range("2025-01-01", "2025-12-31");
        let day = range("2025-06-01", "2025-06-01");
        let cases = [
            (june, 30.0, "days"),
            (june, 31.0, "days"),
            (june, 720.0, "hours"),
            (june, 4.0, "weeks"),
            (june, 4.33, "weeks"),
            (june, 21.0, "working days"),
            (day, 24.0, "hours"),
            (year, 360.0, "days"),
            (year, 52.0, "weeks"),
            (year, 12.0, "months"),
            (year, 4.0, "quarters"),
            (range("2021-01-01", "2025-12-31"), 5.0, "years"),
        ];
        for (period, value, unit) in cases {
            let instead = period.instead_of_divisor(value).unwrap();
            assert!(instead.ends_with(&format!("its number of {unit}")), "{value}: {instead}");
        }
        for (period, value) in
            [(june, 2.0), (june, 5.0), (june, 60.0), (june, 100.0), (year, 100.0), (day, 1.0)]
        {
            assert_eq!(period.instead_of_divisor(value), None, "{value}");
        }
    }
}
