//! The columns of a result that say the query's period: by a constant (`'June 2025' AS month`, `3 AS months`) or by
//! their name (`AS last_30_days`).
//!
//! Reads columns and never what is compared: that is done in `mentions`.

use chrono::Datelike;
use pg_query::{Node, protobuf::ResTarget};

use super::{
    date_parts::{DatePart, unwrapped},
    date_words::{holds_a_year, is_named_in_a_label},
    mentions::{Finder, Mention},
    outputs::labels,
    period::{LengthUnit, NamedPeriod, is, number},
    tree::string_constant,
    walk::first_location,
};

impl Finder<'_> {
    /// Reads a column that says the period itself: `'June 2025' AS month`, `2025 AS year`, `3 AS months`.
    pub(super) fn of_output(&self, target: &ResTarget) -> Option<Mention> {
        let output = target.val.as_deref()?;
        let mut said = labels(output).into_iter().filter_map(|label| self.of_label(label));
        if let Some(mention) = said.next() {
            return Some(mention);
        }
        if matches!(self.period, NamedPeriod::DaysBack(_)) && self.present.is_part_of_today(output)
        {
            let what = "a part of the present date".to_owned();
            let instead = "the same of :start_date or :end_date".to_owned();
            return Some(Mention { location: first_location(output), what, instead });
        }
        let value = unwrapped(output);
        let (number, location) = number(value)?;
        let name = target.name.to_ascii_lowercase();
        let is_length = name.split('_').any(|word| {
            let unit = LengthUnit::ALL.into_iter().find(|unit| unit.is_called(word));
            let count = unit.and_then(|unit| self.period.count(unit));
            count.is_some_and(|count| is(number, f64::from(count)))
        });
        if is_length {
            return Some(self.number_of_days(location, format!("the number {number} AS {name}")));
        }
        let range = self.period.range();
        let years = range.map(|(first, last)| f64::from(first.year())..=f64::from(last.year()));
        if years.is_some_and(|years| years.contains(&number)) {
            let instead = "`extract(year FROM :start_date)`".to_owned();
            return Some(Mention { location, what: format!("the year {number}"), instead });
        }
        let part = DatePart::called(&name)?;
        part.met("=", &[value], range)?;
        let instead = part.instead();
        Some(Mention { location, what: format!("{number} AS {name}"), instead })
    }

    /// Reads the name of a column: `AS june_2025`, `AS last_30_days`.
    pub(super) fn of_name(&self, target: &ResTarget) -> Option<Mention> {
        let name = &target.name;
        let range = self.period.range();
        let is_named = match range {
            Some(_) => is_named_in_a_label(&name.replace('_', " "), range),
            // Beside any days, a quarter may be a quartile.
            None => holds_a_year(name),
        };
        (is_named || self.period.is_in_a_name(name)).then(|| Mention {
            location: target.location,
            what: format!("the name {name}"),
            instead: "another name for that column".to_owned(),
        })
    }

    fn of_label(&self, label: &Node) -> Option<Mention> {
        let (text, location) = string_constant(label)?;
        let what = format!("the text '{text}'");
        if self.period.is_in_words(text) {
            return Some(self.number_of_days(location, what));
        }
        let instead = "`to_char(:start_date, 'YYYY-MM-DD')` in a form of your own".to_owned();
        let is_named = is_named_in_a_label(text, self.period.range());
        is_named.then_some(Mention { location, what, instead })
    }
}
