//! The roles of a table and of its columns: events and things, dates, keys, counts, names of people.
//!
//! Must never look at a sentence.

use metricd_core::schema::ColumnKind;

use super::{Vocabulary, core};
use crate::{
    lexicon::{Aggregate, BIRTH, Currency, lexicon, singular},
    tokens::{stem, words_of},
};

/// The built-in table, which has synonyms of its own for its rows.
const RECORDS: &str = "metrics";

impl Vocabulary<'_> {
    /// Returns the aggregate that the values of a column are already: `max_guests`.
    pub(crate) fn aggregated(&self, column: usize) -> Option<Aggregate> {
        const SPANS: [&str; 7] =
            ["duration", "time", "length", "delay", "runtime", "wait", "response"];
        let words = words_of(&self.table.columns[column].name);
        // `duration_min` is in minutes.
        let is_unit = words.last().is_some_and(|word| word == "min")
            && words.iter().any(|word| SPANS.contains(&word.as_str()));
        words
            .iter()
            .find_map(|word| lexicon().aggregate(word))
            .filter(|_| self.kind(column) == ColumnKind::Number && !is_unit)
    }

    /// Whether a part of the name does not name the column: a room's guests are not its `max_guests`.
    pub(super) fn is_named_in_full(&self, column: usize) -> bool {
        match self.aggregated(column) {
            Some(Aggregate::Sum) => {
                let words = words_of(&self.table.columns[column].name);
                let stems: Vec<String> = words.iter().map(|word| stem(word)).collect();
                lexicon().is_averaged(&stems)
            }
            aggregate => aggregate.is_some(),
        }
    }

    /// Whether the column holds a number of things: `copies`, `num_employees`.
    pub(crate) fn is_count(&self, column: usize) -> bool {
        const COUNTS: [&str; 7] = ["num", "number", "count", "cnt", "qty", "quantity", "n"];
        let words = words_of(&self.table.columns[column].name);
        let is_plural = core(&words).last().is_some_and(|word| singular(word) != *word);
        self.kind(column) == ColumnKind::Number
            && self.table.columns[column].ty.starts_with("int")
            && !self.is_key(column)
            && !matches!(self.aggregated(column), Some(aggregate) if aggregate != Aggregate::Sum)
            && (is_plural || words.iter().any(|word| COUNTS.contains(&word.as_str())))
    }

    pub(crate) fn kind(&self, column: usize) -> ColumnKind {
        self.table.columns[column].kind
    }

    pub(crate) fn is_date(&self, column: usize) -> bool {
        use ColumnKind::{Date, Timestamp, TimestampTz};
        matches!(self.kind(column), Date | Timestamp | TimestampTz)
    }

    /// Returns the columns whose name has one of these words.
    pub(crate) fn columns_with(&self, words: &str) -> Vec<usize> {
        let has = |column: &usize| {
            words_of(&self.table.columns[*column].name)
                .iter()
                .any(|word| words.split(' ').any(|other| other == word))
        };
        (0..self.table.columns.len()).filter(has).collect()
    }

    /// Returns the currencies that the columns' names and comments mention.
    pub(crate) fn currencies(&self) -> Vec<Currency> {
        let columns = self.table.columns.iter();
        let texts = columns.flat_map(|column| [Some(&column.name), column.comment.as_ref()]);
        let words = texts.flatten().flat_map(|text| words_of(text));
        words.filter_map(|word| lexicon().currency(&stem(&word))).collect()
    }

    pub(crate) fn is_records(&self) -> bool {
        self.table.name.schema.is_none() && self.table.name.name == RECORDS
    }

    /// Whether a column is an identifier: its sum means nothing, nor does its size.
    pub(crate) fn is_key(&self, column: usize) -> bool {
        const LAST: [&str; 13] = [
            "id", "ids", "key", "no", "nr", "code", "number", "phone", "zip", "zipcode",
            "postcode", "uuid", "index",
        ];
        let name = &self.table.columns[column].name;
        let refers = self.table.foreign_keys.iter().any(|key| key.columns.contains(name));
        let words = words_of(name);
        let last = words.last().map_or("", String::as_str);
        refers
            || LAST.contains(&last)
            || (words.len() == 1 && last.len() > 2 && last.ends_with("id"))
    }

    /// Returns the index of a column.
    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.table.columns.iter().position(|column| column.name == name)
    }

    /// Returns the column that names the rows for people.
    pub(crate) fn display(&self) -> Option<usize> {
        let head = words_of(&self.table.name.name).last().map(|word| stem(word));
        let words = |column: usize| words_of(&self.table.columns[column].name);
        let text = |column: &usize| self.kind(*column) == ColumnKind::Text;
        let columns = || (0..self.table.columns.len()).filter(text);
        columns()
            .find(|column| {
                ["name", "title", "full name"].contains(&words(*column).join(" ").as_str())
            })
            .or_else(|| {
                let is_own = |words: &[String]| match words {
                    [first, last] => {
                        Some(stem(first)) == head && ["name", "title"].contains(&last.as_str())
                    }
                    [only] => Some(stem(only)) == head,
                    _ => false,
                };
                columns().find(|column| is_own(&words(*column)))
            })
    }

    /// Returns the column of dates that periods apply to where none is named.
    pub(crate) fn usual_date(&self) -> Option<usize> {
        const USUAL: [&str; 11] = [
            "date",
            "day",
            "timestamp",
            "time",
            "ts",
            "created",
            "occurred",
            "happened",
            "recorded",
            "opened",
            "placed",
        ];
        // A period's days, those by which something is due and those at which it ends tell not when a row came about.
        const ENDS: [&str; 18] = [
            "period",
            "due",
            "deadline",
            "paid",
            "closed",
            "ended",
            "end",
            "ends",
            "cancelled",
            "resolved",
            "left",
            "returned",
            "delivered",
            "completed",
            "finished",
            "removed",
            "churned",
            "settled",
        ];
        let name = words_of(&self.table.name.name);
        let is_other = |column: usize| {
            words_of(&self.table.columns[column].name)
                .iter()
                .any(|word| lexicon().other_dates.contains(word))
        };
        let columns = || {
            (0..self.table.columns.len())
                .filter(|column| self.is_date(*column) && !is_other(*column))
        };
        let is_usual = |column: &usize| {
            let words = words_of(&self.table.columns[*column].name);
            let first = words.first().map_or("", String::as_str);
            USUAL.contains(&first) || name.last().is_some_and(|name| stem(name) == stem(first))
        };
        let is_own = |column: &usize| {
            let words = words_of(&self.table.columns[*column].name);
            !words.iter().any(|word| ENDS.contains(&word.as_str()))
        };
        columns().find(is_usual).or_else(|| columns().find(is_own))
    }

    /// Returns the column of dates at which a thing came about, such as `signed_up_at`.
    pub(crate) fn creation(&self) -> Option<usize> {
        const FIRST: [&str; 16] = [
            "created",
            "signed",
            "signup",
            "joined",
            "registered",
            "enrolled",
            "opened",
            "started",
            "hired",
            "launched",
            "installed",
            "founded",
            "added",
            "start",
            "hire",
            "join",
        ];
        let begins = |column: &usize| {
            let words = words_of(&self.table.columns[*column].name);
            self.is_date(*column)
                && words.first().is_some_and(|word| FIRST.contains(&word.as_str()))
        };
        let mut columns = (0..self.table.columns.len()).filter(begins);
        columns.next().filter(|_| columns.next().is_none())
    }

    /// Whether the rows are lines of others, such as the items of an order.
    pub(crate) fn is_line(&self) -> bool {
        const LAST: [&str; 6] = ["items", "item", "lines", "line", "details", "positions"];
        let words = words_of(&self.table.name.name);
        matches!(words.as_slice(), [first, .., last]
            if LAST.contains(&last.as_str()) && lexicon().is_event(first) == Some(true))
    }

    /// Whether the rows are of things that exist, such as customers, rather than of events, such as
    /// orders: an event is asked about in a window of time.
    pub(crate) fn is_thing(&self) -> bool {
        if self.is_line() {
            return false;
        }
        lexicon().is_event(&self.head()).map_or_else(|| self.is_like_thing(), |is_event| !is_event)
    }

    /// Whether it is not known if the rows happen or exist.
    pub(crate) fn is_unclear(&self) -> bool {
        !self.is_line() && lexicon().is_event(&self.head()).is_none() && !self.is_like_thing()
    }

    /// Whether the rows have what things have: a birth, a name, or a day since which they are there.
    fn is_like_thing(&self) -> bool {
        const SINCE: [&str; 13] = [
            "installed",
            "hired",
            "hire",
            "joined",
            "join",
            "purchased",
            "acquired",
            "manufactured",
            "commissioned",
            "founded",
            "established",
            "built",
            "launched",
        ];
        let is_since = self.usual_date().is_some_and(|date| {
            let words = words_of(&self.table.columns[date].name);
            words.iter().any(|word| SINCE.contains(&word.as_str()))
        });
        let is_born = !self.births().is_empty();
        is_since || is_born || self.display().is_some() || !self.person_names().is_empty()
    }

    /// Returns the columns of the dates and years since which the rows are there.
    pub(crate) fn foundings(&self) -> Vec<usize> {
        let is_founding = |column: &usize| {
            words_of(&self.table.columns[*column].name)
                .iter()
                .any(|word| lexicon().founding.contains(word))
        };
        (0..self.table.columns.len()).filter(is_founding).collect()
    }

    /// Returns the columns of births.
    pub(crate) fn births(&self) -> Vec<usize> {
        self.columns_with(&BIRTH.join(" "))
    }

    /// Returns the columns of the first and last names of people.
    pub(crate) fn person_names(&self) -> Vec<usize> {
        const LAST: [&str; 5] = ["last", "family", "surname", "lastname", "lname"];
        const FIRST: [&str; 6] = ["first", "given", "forename", "firstname", "fname", "middle"];
        let named = |words: &[&str]| {
            (0..self.table.columns.len()).find(|column| {
                let name = words_of(&self.table.columns[*column].name);
                let is_whole = matches!(name.as_slice(), [_])
                    || matches!(name.as_slice(), [_, last] if last == "name");
                self.kind(*column) == ColumnKind::Text
                    && is_whole
                    && words.contains(&name[0].as_str())
            })
        };
        match (named(&FIRST), named(&LAST)) {
            (Some(first), Some(last)) => vec![first, last],
            (None, Some(last)) => vec![last],
            _ => Vec::new(),
        }
    }

    /// Returns the head word of the table's name.
    pub(crate) fn head(&self) -> String {
        words_of(&self.table.name.name).pop().unwrap_or_default()
    }

    /// Returns the column that holds the money of the rows.
    pub(crate) fn money(&self) -> Option<usize> {
        let is_money = |name: &String| {
            self.index_of(name).filter(|column| self.kind(*column) == ColumnKind::Number)
        };
        lexicon().money_columns.iter().find_map(is_money).filter(|_| !self.is_thing())
    }
}
