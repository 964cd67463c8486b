//! Reads texts that name a part of the calendar: `June 2025`, `2025-06`, `Q2 2025`, `202506`.
//!
//! Reads words and never a tree. A text is in doubt what its words can mean.

use std::iter;

use chrono::{Datelike, NaiveDate};

/// The days that a text is compared with: those of a range, or any.
pub(super) type Among = Option<(NaiveDate, NaiveDate)>;

/// What a word says of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Year(i32),
    Quarter(Option<i32>, u32),
    Half(u32),
    Month(Option<i32>, u32),
    Week(Option<i32>, u32),
    Day(NaiveDate),
    /// The number of a month or of a day of one.
    Number(u32),
    /// A word beside others.
    Connective,
}

/// The names of the months, in order.
pub(super) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Whether all of a text is a month, a quarter, a week or a day in a year, among some days.
pub(super) fn is_part_of_a_year(text: &str, among: Among) -> bool {
    let Some(known) = read_all(text) else {
        return false;
    };
    // The number after a month may be a year: `Jun-25`.
    let has_year = known.iter().any(|word| word.year().is_some())
        || matches!(known.as_slice(), [Word::Month(None, _), Word::Number(_)]);
    let says_more = known.iter().any(|word| !matches!(word, Word::Year(_) | Word::Connective));
    has_year && says_more && known.iter().all(|word| word.is_among(among))
}

/// Whether a text begins with a year, or a year and a month, among some days, as a pattern does.
pub(super) fn begins_with_a_year(text: &str, among: Among) -> bool {
    let plain = text
        .trim_start_matches(['^', '%', '_'])
        .trim_end_matches(['%', '_', '-', '.', '*', '$', ' ']);
    let is_number = plain.len() >= 4 && plain.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let known = read_all(plain).filter(|_| is_number).unwrap_or_default();
    known.first().is_some_and(|word| word.year().is_some())
        && known.iter().all(|word| word.is_among(among))
}

/// Whether a pattern of a day's text has a month of some days, as `%-06-%` and `____-06%` have.
pub(super) fn has_a_month(text: &str, (first, last): (NaiveDate, NaiveDate)) -> bool {
    let plain = text.trim_matches(['^', '%', '_', '$', '*', '.']);
    let is_begun = plain.starts_with('-') && plain.len() <= "-06-".len();
    let number = plain.trim_matches('-');
    let month = number.parse::<u32>().ok().filter(|_| is_begun && number.len() == 2);
    month.is_some_and(|month| months_of(first, last).any(|day| day.month() == month))
}

/// Whether a number in a text is a year.
pub(super) fn holds_a_year(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| year_of(digits).is_some())
}

/// Whether a number is the second since 1970 at which one of some days begins, or the day after them.
pub(super) fn is_second_of_a_day(value: f64, (first, last): (NaiveDate, NaiveDate)) -> bool {
    let second = |day: NaiveDate| f64::from(day.to_epoch_days()) * 86_400.0;
    let is_midnight = (value / 86_400.0).fract().abs() < 1e-9;
    is_midnight && value > 0.0 && (second(first)..=second(last) + 86_400.0).contains(&value)
}

/// Whether a label names a part of the calendar among some days: `June`, `Orders of June`, `Q2`, `FY 2025`.
pub(super) fn is_named_in_a_label(text: &str, among: Among) -> bool {
    let words = words(text);
    let known: Vec<_> = words.iter().map(|word| read(word)).collect();
    let is_among = |word: &Word| word.is_among(among);
    let beside_a_year = |at: usize| {
        let others = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
        others.filter_map(|at| *known.get(at)?).any(|word| matches!(word, Word::Year(_)))
    };
    words.iter().zip(&known).enumerate().any(|(at, (text, word))| match word {
        Some(word @ (Word::Number(_) | Word::Connective)) => {
            *word != Word::Connective
                && beside_a_year(at)
                && words.len() == known.iter().flatten().count()
                && known.iter().flatten().all(is_among)
        }
        // They are words of other sentences, too.
        Some(word @ Word::Month(None, _)) if text.len() <= 3 || text == "march" => {
            (words.len() == 1 || beside_a_year(at)) && is_among(word)
        }
        Some(word) => is_among(word),
        None => false,
    })
}

/// Whether a text holds one of some days: `[2025-06-01,2025-07-01)`.
pub(super) fn holds_one_of(text: &str, days: &[NaiveDate]) -> bool {
    let day = "2025-06-01".len();
    let mut starts = text.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at);
    starts.any(|at| {
        let written = text.get(at..at + day).and_then(|day| crate::window::parse_date(day).ok());
        written.is_some_and(|written| days.contains(&written))
    })
}

/// Whether a number is a month or day of some days, as `202506` and `20250630`.
pub(super) fn is_day_number(value: f64, among: (NaiveDate, NaiveDate)) -> bool {
    let is_whole =
        value.fract().abs() < f64::EPSILON && (190_000.0..=21_001_231.0).contains(&value);
    is_whole
        && matches!(
            read(&format!("{value:.0}")),
            Some(word @ (Word::Month(..) | Word::Day(_))) if word.is_among(Some(among))
        )
}

/// Whether a text is the name of a month, in full or its first three letters, `Q2` or `FY2025`.
pub(super) fn is_name_of(field: &str, text: &str, among: Among) -> bool {
    let word = read(&text.trim().to_lowercase());
    let fits = match (field, word) {
        ("month", Some(Word::Month(..)))
        | ("quarter", Some(Word::Quarter(..)))
        | ("year", Some(Word::Year(_))) => word,
        _ => None,
    };
    fits.is_some_and(|word| word.is_among(among))
}

/// Returns a day of each month of a range.
pub(super) fn months_of(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let month = |day: NaiveDate| day.checked_add_months(chrono::Months::new(1))?.with_day(1);
    iter::successors(Some(first), move |day| month(*day)).take_while(move |day| *day <= last)
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let parts = lower.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// Reads all words of a text, if each is known.
fn read_all(text: &str) -> Option<Vec<Word>> {
    let known = words(text).iter().map(|word| read(word)).collect::<Option<Vec<_>>>()?;
    Some(match known.as_slice() {
        // Beside a year alone, a small number is a month.
        [Word::Year(year), Word::Number(month @ 1..=12), rest @ ..] => {
            [&[Word::Month(Some(*year), *month)], rest].concat()
        }
        [Word::Number(month @ 1..=12), Word::Year(year)] => {
            vec![Word::Month(Some(*year), *month)]
        }
        [Word::Year(_), Word::Number(_)] | [Word::Number(_), Word::Year(_)] => return None,
        _ => known,
    })
}

fn read(word: &str) -> Option<Word> {
    let (letters, digits) =
        word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
    if letters.is_empty() {
        return numbers(digits);
    }
    let number = digits.parse().ok();
    match (letters, number) {
        ("q", Some(quarter @ 1..=4)) => Some(Word::Quarter(None, quarter)),
        ("h", Some(half @ 1..=2)) => Some(Word::Half(half)),
        ("w" | "kw" | "cw", Some(week @ 1..=53)) => Some(Word::Week(None, week)),
        ("q", Some(_)) if digits.len() == 5 => {
            let (quarter, year) = digits.split_at(1);
            Some(Word::Quarter(
                Some(year_of(year)?),
                quarter.parse().ok().filter(|q| (1..=4).contains(q))?,
            ))
        }
        ("fy" | "cy", Some(_)) => match digits.len() {
            2 => Some(Word::Year(2_000 + digits.parse::<i32>().ok()?)),
            _ => year_of(digits).map(Word::Year),
        },
        (name, _) => {
            let known = |month: &&str| *month == name || name.len() == 3 && month.starts_with(name);
            let month = MONTHS.iter().position(known).or((name == "sept").then_some(8));
            let month = month.and_then(|index| u32::try_from(index + 1).ok());
            match (month, digits) {
                (Some(month), "") => Some(Word::Month(None, month)),
                (Some(month), year) if year.len() == 2 => {
                    Some(Word::Month(Some(2_000 + year.parse::<i32>().ok()?), month))
                }
                (Some(month), year) => Some(Word::Month(Some(year_of(year)?), month)),
                (None, "") => is_connective(name).then_some(Word::Connective),
                (None, _) => None,
            }
        }
    }
}

/// Reads `2025`, `202506`, `20250601`, `2025q2`, `2025w23` and smaller numbers.
fn numbers(word: &str) -> Option<Word> {
    if !word.bytes().all(|b| b.is_ascii_digit()) {
        let (year, rest) = word.split_at_checked(4)?;
        let (year, number) = (year_of(year)?, rest.get(1..)?.parse().ok()?);
        return match (rest.get(..1)?, number) {
            ("q", 1..=4) => Some(Word::Quarter(Some(year), number)),
            ("w", 1..=53) => Some(Word::Week(Some(year), number)),
            _ => None,
        };
    }
    match word.len() {
        1 | 2 => word.parse().ok().filter(|number| (1..=31).contains(number)).map(Word::Number),
        4 => year_of(word).map(Word::Year),
        6 => {
            let (year, month) = word.split_at(4);
            let month = month.parse().ok().filter(|month| (1..=12).contains(month))?;
            Some(Word::Month(Some(year_of(year)?), month))
        }
        8 => NaiveDate::parse_from_str(word, "%Y%m%d").ok().map(Word::Day),
        _ => None,
    }
}

fn year_of(digits: &str) -> Option<i32> {
    digits.parse().ok().filter(|year| digits.len() == 4 && (1900..=2100).contains(year))
}

fn is_connective(word: &str) -> bool {
    let connectives = [
        "of", "the", "in", "for", "from", "to", "and", "week", "month", "quarter", "year", "fy",
        "st", "nd", "rd", "th",
    ];
    connectives.contains(&word)
}

impl Word {
    fn year(self) -> Option<i32> {
        match self {
            Self::Year(year) => Some(year),
            Self::Quarter(year, _) | Self::Month(year, _) | Self::Week(year, _) => year,
            Self::Day(day) => Some(day.year()),
            Self::Half(_) | Self::Number(_) | Self::Connective => None,
        }
    }

    fn is_among(self, among: Among) -> bool {
        let Some((first, last)) = among else {
            return true;
        };
        let in_year =
            |year: Option<i32>, day: NaiveDate| year.is_none_or(|year| day.year() == year);
        let mut months = months_of(first, last);
        match self {
            Self::Year(year) => (first.year()..=last.year()).contains(&year),
            Self::Quarter(year, quarter) => {
                months.any(|day| in_year(year, day) && day.month0() / 3 + 1 == quarter)
            }
            Self::Half(half) => months.any(|day| day.month0() / 6 + 1 == half),
            Self::Month(year, month) => {
                months.any(|day| in_year(year, day) && day.month() == month)
            }
            Self::Week(year, week) => weeks_of(first, last).any(|day| {
                let own = day.iso_week();
                own.week() == week && year.is_none_or(|year| own.year() == year)
            }),
            Self::Day(day) => (first..=last).contains(&day),
            Self::Number(number) => {
                months.any(|day| day.month() == number)
                    || first.iter_days().take(31).any(|day| day <= last && day.day() == number)
            }
            Self::Connective => true,
        }
    }
}

/// Returns a day of each week of a range.
fn weeks_of(first: NaiveDate, last: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    first.iter_weeks().take_while(move |day| *day <= last).chain([last])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn june() -> Among {
        NaiveDate::from_ymd_opt(2025, 6, 1).zip(NaiveDate::from_ymd_opt(2025, 6, 30))
    }

    #[test]
    fn a_part_of_a_year_is_known_in_its_spellings() {
        for text in [
            "2025-06",
            "06/2025",
            "202506",
            "June 2025",
            "Jun-25",
            "jun 2025",
            "Q2 2025",
            "2025-Q2",
            "2025Q2",
            "Q22025",
            "2025-W23",
            "30 June 2025",
            "20250630",
        ] {
            assert!(is_part_of_a_year(text, june()), "{text}");
            assert!(is_part_of_a_year(text, None), "{text}");
        }
        for text in ["2025-07", "May 2025", "Q3 2025", "2024-06", "202507", "2025-W40", "July-25"] {
            assert!(!is_part_of_a_year(text, june()), "{text}");
            assert!(is_part_of_a_year(text, None), "{text}");
        }
        for text in ["June", "2025", "Q2", "06", "A-2025-06", "shipped", "", "2025-13", "1.2.3"] {
            assert!(!is_part_of_a_year(text, None), "{text}");
        }
    }

    #[test]
    fn a_label_names_a_month_or_none() {
        for text in
            ["June", "Orders of June", "Q2", "H1", "FY2025", "2025", "Jun", "Jun 2025", "6 2025"]
        {
            assert!(is_named_in_a_label(text, june()), "{text}");
        }
        for text in ["May", "You may order", "On the march", "Orders", "2024", "Q3", "6", "Sun", ""]
        {
            assert!(!is_named_in_a_label(text, june()), "{text}");
        }
    }

    #[test]
    fn a_number_is_a_day_or_month_of_the_calendar() {
        let among = june().unwrap();
        for value in [202_506.0, 20_250_601.0, 20_250_630.0] {
            assert!(is_day_number(value, among), "{value}");
        }
        for value in [202_507.0, 20_250_701.0, 202_513.0, 2_025.0, 6.0, 202_506.5, 1e9] {
            assert!(!is_day_number(value, among), "{value}");
        }
    }
}
