//! Parses date phrases into periods.
//!
//! Fixed dates stay fixed; a period relative to today stays relative, so that it is still right tomorrow.

use chrono::{Datelike, Days, Month, Months, NaiveDate};

use metricd_core::window::MAX_DAYS;

use crate::{
    lexicon::Bucket,
    tokens::{Token, TokenKind},
};

/// A period of whole days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Period {
    /// From one day to another, both included.
    Fixed(NaiveDate, NaiveDate),
    /// From this many days ago until today.
    LastDays(u32),
    /// From this many months ago until today.
    LastMonths(u32),
    /// The whole current unit, or the one that is `back` units before it.
    Whole {
        unit: Bucket,
        back: u32,
    },
    /// From the start of the current unit until today.
    ToDate(Bucket),
    /// From a day until today.
    Since(NaiveDate),
    /// Up to and including a day.
    Until(NaiveDate),
    /// Up to and including today: what is to come is left out.
    UntilToday,
    AllTime,
}

/// A calendar span that a phrase names, possibly without a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    year: Option<i32>,
    /// The month and day of its first day.
    first: (u32, u32),
    length: Length,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Day,
    Months(u32),
}

/// Parses the period at `at`; returns its number of tokens and the period.
pub(crate) fn period(tokens: &[Token], at: usize, today: NaiveDate) -> Option<(usize, Period)> {
    let parser = PeriodParser { tokens, today };
    parser.relative(at).or_else(|| parser.absolute(at))
}

struct PeriodParser<'a> {
    tokens: &'a [Token],
    today: NaiveDate,
}

impl PeriodParser<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens
            .get(at)
            .filter(|token| token.kind != TokenKind::Quoted)
            .map_or("", |token| &token.text)
    }

    /// Returns the number of `words` if exactly these stand at `at`.
    fn is(&self, at: usize, words: &str) -> Option<usize> {
        let mut count = 0;
        for word in words.split(' ') {
            if self.text(at + count) != word {
                return None;
            }
            count += 1;
        }
        Some(count)
    }

    /// Returns the length of the longest of these phrases that stands at `at`.
    fn any(&self, at: usize, phrases: &[&str]) -> Option<usize> {
        phrases.iter().filter_map(|words| self.is(at, words)).max()
    }

    fn relative(&self, at: usize) -> Option<(usize, Period)> {
        const FIXED: [(&str, Period); 17] = [
            ("today", Period::Whole { unit: Bucket::Day, back: 0 }),
            ("yesterday", Period::Whole { unit: Bucket::Day, back: 1 }),
            ("year to date", Period::ToDate(Bucket::Year)),
            ("ytd", Period::ToDate(Bucket::Year)),
            ("so far this year", Period::ToDate(Bucket::Year)),
            ("this year so far", Period::ToDate(Bucket::Year)),
            ("quarter to date", Period::ToDate(Bucket::Quarter)),
            ("qtd", Period::ToDate(Bucket::Quarter)),
            ("so far this quarter", Period::ToDate(Bucket::Quarter)),
            ("month to date", Period::ToDate(Bucket::Month)),
            ("mtd", Period::ToDate(Bucket::Month)),
            ("so far this month", Period::ToDate(Bucket::Month)),
            ("this month so far", Period::ToDate(Bucket::Month)),
            ("week to date", Period::ToDate(Bucket::Week)),
            ("of all time", Period::AllTime),
            ("all time", Period::AllTime),
            ("ever", Period::AllTime),
        ];
        let fixed = FIXED.iter().filter_map(|(words, period)| Some((self.is(at, words)?, *period)));
        if let Some(found) = fixed.max_by_key(|(count, _)| *count) {
            return Some(found);
        }
        if self.any(at, &["this", "current"]).is_some()
            || self.is(at, "the current").is_some_and(|count| count == 2)
        {
            let skip = if self.text(at) == "the" { 2 } else { 1 };
            let unit = unit(self.text(at + skip)).filter(|_| !self.is_plural(at + skip))?;
            return Some((skip + 1, Period::Whole { unit, back: 0 }));
        }
        self.rolling(at)
    }

    /// Parses `last month`, `the past 3 weeks`.
    fn rolling(&self, at: usize) -> Option<(usize, Period)> {
        let the = usize::from(self.text(at) == "the");
        let word = self.text(at + the).to_owned();
        let is_last = ["last", "previous", "preceding"].contains(&word.as_str());
        if !is_last && !["past", "recent", "trailing"].contains(&word.as_str()) {
            return None;
        }
        let mut next = at + the + 1;
        let count = self.count(next);
        if count.is_some() {
            next += 1;
            next += usize::from(["full", "whole"].contains(&self.text(next)));
        }
        let unit = unit(self.text(next))?;
        let taken = next + 1 - at;
        // "Last month" is the previous calendar month; "the last month" and "past month" end today.
        if count.is_none() && is_last && (the == 0 || word == "previous" || word == "preceding") {
            return Some((taken, Period::Whole { unit, back: 1 }));
        }
        let count = count.unwrap_or(1);
        let (days, months) = match unit {
            Bucket::Day => (count, 0),
            Bucket::Week => (count.checked_mul(7)?, 0),
            Bucket::Month => (0, count),
            Bucket::Quarter => (0, count.checked_mul(3)?),
            Bucket::Year => (0, count.checked_mul(12)?),
        };
        let period = match (days, months) {
            (1..=36_500, 0) => Period::LastDays(days),
            (0, 1..=1_200) => Period::LastMonths(months),
            _ => return None,
        };
        Some((taken, period))
    }

    fn is_plural(&self, at: usize) -> bool {
        self.text(at).ends_with('s')
    }

    fn count(&self, at: usize) -> Option<u32> {
        const WORDS: [&str; 12] = [
            "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve",
        ];
        match &self.tokens.get(at)?.kind {
            TokenKind::Number(number) => number.parse().ok().filter(|count| *count <= 36_500),
            TokenKind::Word => {
                let index = WORDS.iter().position(|word| *word == self.text(at))?;
                u32::try_from(index + 1).ok()
            }
            _ => None,
        }
    }

    fn absolute(&self, at: usize) -> Option<(usize, Period)> {
        if let Some((taken, period)) = self.range(at) {
            return Some((taken, period));
        }
        let lead = |words: &[&str]| self.any(at, words);
        let with_span =
            |skip: usize| self.span(at + skip).map(|(taken, span)| (skip + taken, span));
        if let Some((taken, span)) =
            lead(&["since", "from", "starting", "starting from"]).and_then(with_span)
        {
            let on = self.any(
                at + taken,
                &[
                    "on",
                    "onwards",
                    "onward",
                    "until now",
                    "until today",
                    "to today",
                    "to date",
                    "up to now",
                ],
            );
            let (first, last) = self.days(span)?;
            // "From October" may be in October.
            if self.text(at) == "from" && first != last && on.is_none() {
                return None;
            }
            // A longer window is not allowed.
            let is_reached = (self.today - first).num_days() <= i64::from(MAX_DAYS);
            return is_reached.then_some((taken + on.unwrap_or(0), Period::Since(first)));
        }
        if let Some((taken, span)) = lead(&["after", "later than"]).and_then(with_span) {
            return Some((
                taken,
                Period::Since(self.days(span)?.1.checked_add_days(Days::new(1))?),
            ));
        }
        if let Some((taken, span)) =
            lead(&["before", "earlier than", "prior to"]).and_then(with_span)
        {
            return Some((
                taken,
                Period::Until(self.days(span)?.0.checked_sub_days(Days::new(1))?),
            ));
        }
        if let Some((taken, span)) =
            lead(&["until", "till", "up to", "through", "to"]).and_then(with_span)
        {
            return Some((taken, Period::Until(self.days(span)?.1)));
        }
        let (taken, span) = self.span(at)?;
        let (first, last) = self.days(span)?;
        Some((taken, Period::Fixed(first, last)))
    }

    /// Parses `from March to April 2025`, `2025-06-01 - 2025-06-30`.
    fn range(&self, at: usize) -> Option<(usize, Period)> {
        let lead = self.any(at, &["from", "between"]).unwrap_or(0);
        let (length, start) = self.span(at + lead)?;
        let joint = at + lead + length;
        let joined = self.any(
            joint,
            &["to", "and", "until", "till", "through", "thru", "-", "up to", "to the", "and the"],
        )?;
        let taken = lead + length + joined;
        let (length, end) = self.span(at + taken)?;
        let (start, end) = self.with_years(start, end);
        let (first, last) = (self.days(start)?.0, self.days(end)?.1);
        // "June and July" is one period, "June and August" is two.
        let is_next = || Some(self.days(start)?.1.succ_opt()? == self.days(end)?.0);
        if self.text(joint) == "and" && self.text(at) != "between" && is_next() != Some(true) {
            return None;
        }
        (first <= last).then_some((taken + length, Period::Fixed(first, last)))
    }

    /// Fills in the year that one end of a range lacks from the other end, so that the range ends after
    /// it begins.
    fn with_years(&self, start: Span, end: Span) -> (Span, Span) {
        let (mut start, mut end) = (start, end);
        if end.year.is_none() {
            let same = start.year.map(|year| if end.first < start.first { year + 1 } else { year });
            end.year = Some(same.unwrap_or_else(|| self.recent_year(end)));
        }
        if start.year.is_none() {
            start.year = end.year.map(|year| if start.first > end.first { year - 1 } else { year });
        }
        (start, end)
    }

    /// Returns the year in which the span last began.
    fn recent_year(&self, span: Span) -> i32 {
        let begun = span.first <= (self.today.month(), self.today.day());
        if begun { self.today.year() } else { self.today.year() - 1 }
    }

    fn days(&self, span: Span) -> Option<(NaiveDate, NaiveDate)> {
        let year = span.year.unwrap_or_else(|| self.recent_year(span));
        let first = NaiveDate::from_ymd_opt(year, span.first.0, span.first.1)?;
        let last = match span.length {
            Length::Day => first,
            Length::Months(months) => {
                first.checked_add_months(Months::new(months))?.checked_sub_days(Days::new(1))?
            }
        };
        Some((first, last))
    }

    /// Parses a day, month, quarter, half or year.
    fn span(&self, at: usize) -> Option<(usize, Span)> {
        let the = usize::from(self.text(at) == "the");
        let (taken, span) = self.bare_span(at + the)?;
        Some((taken + the, span))
    }

    fn bare_span(&self, at: usize) -> Option<(usize, Span)> {
        let whole =
            |year, month, months| Span { year, first: (month, 1), length: Length::Months(months) };
        match &self.tokens.get(at)?.kind {
            TokenKind::Day(day) => {
                let first = (day.month(), day.day());
                return Some((1, Span { year: Some(day.year()), first, length: Length::Day }));
            }
            TokenKind::Month(year, month) => return Some((1, whole(Some(*year), *month, 1))),
            TokenKind::Quoted | TokenKind::Sign => return None,
            TokenKind::Word | TokenKind::Number(_) | TokenKind::Ordinal(_) => {}
        }
        if let Some(year) = self.year(at) {
            return Some((1, whole(Some(year), 1, 12)));
        }
        // 1st of March 2025
        if let Some(day) = self.day_of_month(at) {
            let of = usize::from(self.text(at + 1) == "of");
            let month = self.month(at + 1 + of)?;
            return self.dated(at, 2 + of, month, day);
        }
        if let Some((taken, part)) = self.part_of_year(at) {
            let (year_taken, year) = self.year_after(at + taken);
            let (month, months) = part;
            return Some((taken + year_taken, whole(year, month, months)));
        }
        let month = self.month(at)?;
        // March 1, 2025: a number after the month that is no year is the day.
        if self.year(at + 1).is_none()
            && let Some(day) = self.day_of_month(at + 1)
        {
            return self.dated(at, 2, month, day);
        }
        let (taken, year) = self.year_after(at + 1);
        if year.is_none() && self.text(at) == "may" && !self.may_be_may(at) {
            return None;
        }
        Some((1 + taken, whole(year, month, 1)))
    }

    fn dated(&self, at: usize, taken: usize, month: u32, day: u32) -> Option<(usize, Span)> {
        let (year_taken, year) = self.year_after(at + taken);
        // A leap year, so that 29 February is valid; the actual year is resolved later.
        NaiveDate::from_ymd_opt(year.unwrap_or(2024), month, day)?;
        Some((taken + year_taken, Span { year, first: (month, day), length: Length::Day }))
    }

    /// Parses `2025`, `of 2025`.
    fn year_after(&self, at: usize) -> (usize, Option<i32>) {
        if let Some(year) = self.year(at) {
            return (1, Some(year));
        }
        let of = self.any(at, &["of", "in"]).and_then(|_| self.year(at + 1));
        (if of.is_some() { 2 } else { 0 }, of)
    }

    fn year(&self, at: usize) -> Option<i32> {
        match &self.tokens.get(at)?.kind {
            TokenKind::Number(number) if number.len() == 4 && self.text(at).len() == 4 => {
                let year = number.parse().ok().filter(|year| (1000..2100).contains(year))?;
                let before = at.checked_sub(1).map_or("", |before| self.text(before));
                let is_said = ["in", "before", "after", "since", "until", "year", "during"];
                (year >= 1970 || is_said.contains(&before)).then_some(year)
            }
            _ => None,
        }
    }

    fn day_of_month(&self, at: usize) -> Option<u32> {
        let day = match &self.tokens.get(at)?.kind {
            TokenKind::Number(number) if number.len() <= 2 => number.parse().ok()?,
            TokenKind::Ordinal(day) => *day,
            _ => return None,
        };
        (1..=31).contains(&day).then_some(day)
    }

    fn month(&self, at: usize) -> Option<u32> {
        if self.tokens.get(at)?.kind != TokenKind::Word {
            return None;
        }
        let text = self.text(at);
        let text = if text == "sept" { "sep" } else { text };
        text.parse::<Month>().ok().map(|month| month.number_from_month())
    }

    /// Whether a `may` without a year is the month: a preposition precedes it.
    fn may_be_may(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.text(before));
        [
            "in", "during", "from", "to", "since", "until", "till", "through", "between", "and",
            "before", "after", "of", "for", "-",
        ]
        .contains(&before)
    }

    /// Parses a quarter or half: its first month, and its number of months.
    fn part_of_year(&self, at: usize) -> Option<(usize, (u32, u32))> {
        let quarter = |number: u32| (1..=4).contains(&number).then(|| (number * 3 - 2, 3));
        let half = |number: u32| (1..=2).contains(&number).then(|| (number * 6 - 5, 6));
        let text = self.text(at);
        let split = |letter: char| text.strip_prefix(letter).and_then(|number| number.parse().ok());
        if let Some(part) = split('q').and_then(quarter).or_else(|| split('h').and_then(half)) {
            return Some((1, part));
        }
        let number = match self.tokens.get(at)?.kind {
            TokenKind::Ordinal(number) => number,
            _ => ["first", "second", "third", "fourth"]
                .iter()
                .position(|word| *word == text)
                .and_then(|index| u32::try_from(index + 1).ok())?,
        };
        let part = match self.text(at + 1) {
            "quarter" => quarter(number),
            "half" => half(number),
            _ => None,
        };
        Some((2, part?))
    }
}

fn unit(word: &str) -> Option<Bucket> {
    Some(match word {
        "day" | "days" => Bucket::Day,
        "week" | "weeks" => Bucket::Week,
        "month" | "months" => Bucket::Month,
        "quarter" | "quarters" => Bucket::Quarter,
        "year" | "years" => Bucket::Year,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tokens::tokens, *};

    fn read(sentence: &str) -> Option<(usize, Period)> {
        // A Saturday.
        let today = NaiveDate::from_ymd_opt(2025, 8, 2).unwrap();
        period(&tokens(sentence), 0, today)
    }

    fn shown(sentence: &str) -> String {
        let Some((taken, period)) = read(sentence) else {
            return "nothing".into();
        };
        assert_eq!(taken, tokens(sentence).len(), "{sentence}");
        match period {
            Period::Fixed(first, last) => format!("{first}..{last}"),
            Period::Since(first) => format!("{first}.."),
            Period::Until(last) => format!("..{last}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn days_months_quarters_and_years_are_read() {
        let cases = [
            ("from March 2025 to April 2025", "2025-03-01..2025-04-30"),
            ("from March to April 2025", "2025-03-01..2025-04-30"),
            ("between march and april", "2025-03-01..2025-04-30"),
            ("between 1 March and 15 April 2025", "2025-03-01..2025-04-15"),
            ("March 1st, 2025 through April 15", "2025-03-01..2025-04-15"),
            ("from November to February", "2024-11-01..2025-02-28"),
            ("from November to February 2024", "2023-11-01..2024-02-29"),
            ("from December 2024 to January", "2024-12-01..2025-01-31"),
            ("from October to December", "2024-10-01..2024-12-31"),
            ("June 2025", "2025-06-01..2025-06-30"),
            ("JUNE of 2025", "2025-06-01..2025-06-30"),
            ("2025-06", "2025-06-01..2025-06-30"),
            ("june", "2025-06-01..2025-06-30"),
            ("August", "2025-08-01..2025-08-31"),
            ("Sept", "2024-09-01..2024-09-30"),
            ("12 June", "2025-06-12..2025-06-12"),
            ("August 3rd", "2024-08-03..2024-08-03"),
            ("the 1st of March 2024", "2024-03-01..2024-03-01"),
            ("29 February 2024", "2024-02-29..2024-02-29"),
            ("2025-06-01 to 2025-06-30", "2025-06-01..2025-06-30"),
            ("2025-06-01 - 2025-06-30", "2025-06-01..2025-06-30"),
            ("01.06.2025 until 30.06.2025", "2025-06-01..2025-06-30"),
            ("2024", "2024-01-01..2024-12-31"),
            ("between 2023 and 2024", "2023-01-01..2024-12-31"),
            ("Q2 2025", "2025-04-01..2025-06-30"),
            ("q4", "2024-10-01..2024-12-31"),
            ("the second quarter of 2025", "2025-04-01..2025-06-30"),
            ("Q3 2024 to Q1 2025", "2024-07-01..2025-03-31"),
            ("first half of 2025", "2025-01-01..2025-06-30"),
            ("H2 2024", "2024-07-01..2024-12-31"),
            ("June and July 2025", "2025-06-01..2025-07-31"),
            ("December 2024 and January 2025", "2024-12-01..2025-01-31"),
            ("Q1 and Q2", "2025-01-01..2025-06-30"),
            ("1 June and 2 June 2025", "2025-06-01..2025-06-02"),
            ("since 2025-01-15", "2025-01-15.."),
            ("from May 2025 onwards", "2025-05-01.."),
            ("after March 2025", "2025-04-01.."),
            ("before 2025", "..2024-12-31"),
            ("until March 2025", "..2025-03-31"),
            ("up to 15 April 2025", "..2025-04-15"),
        ];
        for (sentence, expected) in cases {
            assert_eq!(shown(sentence), expected, "{sentence}");
        }
    }

    #[test]
    fn what_is_told_from_today_stays_told_from_today() {
        let cases = [
            ("last 7 days", Period::LastDays(7)),
            ("the past three weeks", Period::LastDays(21)),
            ("past week", Period::LastDays(7)),
            ("the last month", Period::LastMonths(1)),
            ("previous 2 quarters", Period::LastMonths(6)),
            ("last month", Period::Whole { unit: Bucket::Month, back: 1 }),
            ("the previous quarter", Period::Whole { unit: Bucket::Quarter, back: 1 }),
            ("this year", Period::Whole { unit: Bucket::Year, back: 0 }),
            ("the current week", Period::Whole { unit: Bucket::Week, back: 0 }),
            ("year to date", Period::ToDate(Bucket::Year)),
            ("so far this month", Period::ToDate(Bucket::Month)),
            ("today", Period::Whole { unit: Bucket::Day, back: 0 }),
            ("yesterday", Period::Whole { unit: Bucket::Day, back: 1 }),
            ("of all time", Period::AllTime),
        ];
        for (sentence, expected) in cases {
            assert_eq!(read(sentence), Some((tokens(sentence).len(), expected)), "{sentence}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for sentence in [
            "the 13th month",
            "31 June 2025",
            "2025-06-31",
            "may",
            "12",
            "last orders",
            "this",
            "these days",
            "last 0 days",
            "last 99999999999 days",
            "29 February 2025",
            "Q5 2025",
            "next month",
            "tomorrow",
            "'March'",
            "since 1900-01-01",
            "second",
        ] {
            assert_eq!(read(sentence), None, "{sentence}");
        }
        assert_eq!(read("June and August 2025").map(|(taken, _)| taken), Some(1));
        assert_eq!(read("from April 2025 to March 2025"), None);
        // It may be that month alone.
        assert_eq!(read("from April 2025"), None);
    }
}
