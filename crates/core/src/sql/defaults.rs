//! Finds the defaults that an author gives to the ends of a window: `coalesce(:start_date, day)` is
//! the caller's day, else that day.
//!
//! A default must be a day that [`crate::window`] computes as PostgreSQL would, before anything runs.
//! Any other stays in the query, with a note that it is never used.

use pg_query::{Node, NodeEnum};

use super::{
    error::SqlFault,
    literals::DayLiteral,
    notes::Note,
    parameter::ParameterSource,
    placeholders::Placeholders,
    tree::{binary, cast_parts, integer_constant, param_number, plain_call, string_constant},
    walk::{Visitor, walk},
};
use crate::window::{CalendarUnit, DateDefault, MAX_DAYS, RelativeDay};

/// The defaults that a query gives its window, if any.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Defaults {
    pub(super) start_date: Option<DateDefault>,
    pub(super) end_date: Option<DateDefault>,
}

/// Removes the defaults from the tree, whose clock is already replaced by placeholders.
pub(super) fn take(
    tree: &mut Node,
    placeholders: &Placeholders,
) -> Result<(Defaults, Vec<Note>), SqlFault> {
    let mut taker = Taker { placeholders, found: Defaults::default(), notes: Vec::new() };
    walk(tree, &mut taker)?;
    Ok((taker.found, taker.notes))
}

struct Taker<'a> {
    placeholders: &'a Placeholders,
    found: Defaults,
    notes: Vec<Note>,
}

impl Visitor for Taker<'_> {
    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        let Some(NodeEnum::CoalesceExpr(coalesce)) = &node.node else {
            return Ok(());
        };
        let [placeholder, rest @ ..] = coalesce.args.as_slice() else {
            return Ok(());
        };
        let found = match source(placeholder, self.placeholders) {
            Some(ParameterSource::StartDate) => &mut self.found.start_date,
            Some(ParameterSource::EndDate) => &mut self.found.end_date,
            _ => return Ok(()),
        };
        let default = match rest {
            [day] => default(day, self.placeholders),
            _ => None,
        };
        let unused = match (default, *found) {
            (None, _) => Some(
                "a window cannot have this default; write a day such as '2025-01-31', \
                 CURRENT_DATE - 7 or CAST(date_trunc('quarter', CURRENT_DATE) AS date)",
            ),
            (Some(default), Some(other)) if default != other => {
                Some("the query already gives this end of its window another default")
            }
            _ => None,
        };
        if let Some(reason) = unused {
            let message = format!("the fallback after the placeholder is never used: {reason}");
            self.notes.push(Note::info(coalesce.location, false, message));
            return Ok(());
        }
        *found = default;
        *node = placeholder.clone();
        Ok(())
    }
}

/// Returns the source of `$n` or `$n::date`.
fn source(node: &Node, placeholders: &Placeholders) -> Option<ParameterSource> {
    let node = cast_parts(node).filter(|(_, _, ty)| *ty == "date").map_or(node, |(arg, ..)| arg);
    Some(placeholders.fixed_parameter(param_number(node)?)?.source)
}

fn default(node: &Node, placeholders: &Placeholders) -> Option<DateDefault> {
    if let Some(day) = DayLiteral::read(node).filter(|day| day.instant.is_none()) {
        let is_date = match cast_parts(node) {
            Some((_, _, ty)) => ty == "date",
            None => string_constant(node).is_some(),
        };
        return is_date.then_some(DateDefault::Fixed(day.date));
    }
    match Relative::read(node, placeholders)? {
        Relative::Date(day) => Some(DateDefault::Relative(day)),
        Relative::Midnight(_) => None,
    }
}

/// A day relative to today, and its type: PostgreSQL adds numbers to dates alone.
#[derive(Clone, Copy)]
enum Relative {
    Date(RelativeDay),
    Midnight(RelativeDay),
}

impl Relative {
    fn read(node: &Node, placeholders: &Placeholders) -> Option<Self> {
        if source(node, placeholders) == Some(ParameterSource::Today) {
            return Some(Self::Date(RelativeDay::TODAY));
        }
        if let Some((arg, ty, name)) = cast_parts(node) {
            let day = Self::read(arg, placeholders).filter(|_| ty.typmods.is_empty())?.day();
            return match name {
                "date" => Some(Self::Date(day)),
                "timestamp" | "timestamptz" => Some(Self::Midnight(day)),
                _ => None,
            };
        }
        if let Some((left, operator @ ("+" | "-"), right)) = binary(node) {
            let sign = if operator == "-" { -1 } else { 1 };
            let left = Self::read(left, placeholders)?;
            if let (Self::Date(day), Some(days)) = (left, integer_constant(right)) {
                return Some(Self::Date(plus_days(day, days.checked_mul(sign)?)?));
            }
            let (months, days) = interval(right)?;
            let day = plus_months(left.day(), months * sign)?;
            return Some(Self::Midnight(plus_days(day, days * sign)?));
        }
        let ("date_trunc", call) = plain_call(node)? else {
            return None;
        };
        let [unit, day] = call.args.as_slice() else {
            return None;
        };
        let unit = unit_called(string_constant(unit)?.0)?;
        let day = Self::read(day, placeholders)?.day();
        (day == RelativeDay::TODAY)
            .then_some(Self::Midnight(RelativeDay { start_of: unit, ..RelativeDay::TODAY }))
    }

    fn day(self) -> RelativeDay {
        match self {
            Self::Date(day) | Self::Midnight(day) => day,
        }
    }
}

fn plus_days(day: RelativeDay, days: i32) -> Option<RelativeDay> {
    let days = day.days.checked_add(days).filter(|days| days.unsigned_abs() <= MAX_DAYS)?;
    Some(RelativeDay { days, ..day })
}

/// Months are added before days, and once, unless all are whole: some have no 31st.
fn plus_months(day: RelativeDay, months: i32) -> Option<RelativeDay> {
    const MOST: u32 = MAX_DAYS / 30;
    let is_first_of_month = matches!(
        day.start_of,
        Some(CalendarUnit::Month | CalendarUnit::Quarter | CalendarUnit::Year)
    );
    let may = months == 0 || day.days == 0 && (day.months == 0 || is_first_of_month);
    let months = day.months.checked_add(months).filter(|sum| sum.unsigned_abs() <= MOST)?;
    may.then_some(RelativeDay { months, ..day })
}

/// Returns the unit that `date_trunc` truncates to; `None` inside for a day.
#[expect(clippy::option_option, reason = "the unit of a day is none, and of anything else unknown")]
fn unit_called(name: &str) -> Option<Option<CalendarUnit>> {
    Some(match name.to_ascii_lowercase().as_str() {
        "day" => None,
        "week" => Some(CalendarUnit::Week),
        "month" => Some(CalendarUnit::Month),
        "quarter" => Some(CalendarUnit::Quarter),
        "year" => Some(CalendarUnit::Year),
        _ => return None,
    })
}

/// Reads the months and days of `INTERVAL '3 months'`.
fn interval(node: &Node) -> Option<(i32, i32)> {
    let (arg, ty, "interval") = cast_parts(node)? else {
        return None;
    };
    let (text, _) = string_constant(arg).filter(|_| ty.typmods.is_empty())?;
    let (count, unit) = text.trim().split_once(' ')?;
    let is_count = count.len() <= 5 && count.bytes().all(|b| b.is_ascii_digit());
    let count: i32 = count.parse().ok().filter(|_| is_count)?;
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "day" | "days" => (0, count),
        "week" | "weeks" => (0, count * 7),
        "month" | "months" => (count, 0),
        "year" | "years" => (count * 12, 0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use crate::{
        sql::{Draft, Gate, SlotNote, Template},
        window::{DateDefault, RelativeDay, Window, WindowRequest},
    };

    fn compiled(sql: &str) -> Result<Template, String> {
        let draft = Draft::parse(sql, &Gate::default()).map_err(|error| error.to_string())?;
        draft.assume().map_err(|error| error.to_string())
    }

    fn start(default: &str, today: &str) -> String {
        let sql = format!("SELECT 1 AS n FROM t WHERE x >= coalesce(:start_date, {default})");
        let template = compiled(&sql).unwrap_or_else(|error| panic!("{default}: {error}"));
        assert_eq!(template.sql, "SELECT 1 AS n FROM t WHERE x >= $1::date", "{default}");
        assert!(!template.slots.clock, "{default}");
        let today: NaiveDate = today.parse().unwrap();
        match template.slots.start_date.unwrap() {
            DateDefault::Fixed(day) => day.to_string(),
            DateDefault::Relative(day) => format!("{day}: {}", day.on(today)),
            DateDefault::FromToday => "from today".to_owned(),
        }
    }

    #[test]
    fn the_day_behind_a_placeholder_is_its_default() {
        let cases = [
            ("'2025-01-15'", "2025-01-15"),
            ("DATE '2025-01-15'", "2025-01-15"),
            ("CURRENT_DATE", "today: 2025-05-31"),
            ("'yesterday'::date", "today minus 1 day: 2025-05-30"),
            ("CURRENT_DATE - 7", "today minus 7 days: 2025-05-24"),
            ("now()::date + 1", "today plus 1 day: 2025-06-01"),
            (
                "CAST(CURRENT_DATE - INTERVAL '3 months' AS date)",
                "today minus 3 months: 2025-02-28",
            ),
            ("(CURRENT_DATE - INTERVAL '1 year')::date", "today minus 12 months: 2024-05-31"),
            ("date_trunc('week', CURRENT_DATE)::date", "the first day of this week: 2025-05-26"),
            (
                "date_trunc('quarter', CURRENT_DATE)::date",
                "the first day of this quarter: 2025-04-01",
            ),
            ("date_trunc('DAY', CURRENT_DATE)::date", "today: 2025-05-31"),
            (
                "CAST(date_trunc('quarter', CURRENT_DATE) - INTERVAL '3 months' AS date)",
                "the first day of this quarter minus 3 months: 2025-01-01",
            ),
            (
                "CAST(date_trunc('year', CURRENT_DATE) + INTERVAL '1 year' - INTERVAL '6 months' AS \
                 date) - 1",
                "the first day of this year plus 6 months minus 1 day: 2025-06-30",
            ),
        ];
        for (default, expected) in cases {
            assert_eq!(start(default, "2025-05-31"), expected, "{default}");
        }
    }

    #[test]
    fn a_default_that_no_window_can_have_stays_as_written() {
        for default in [
            "x",
            "NULL",
            "now()",
            "now() - INTERVAL '1 day'",
            "'today'",
            "(SELECT max(d) FROM t)",
            "date_trunc('quarter', CURRENT_DATE)",
            "date_trunc('decade', CURRENT_DATE)::date",
            "date_trunc('month', CURRENT_DATE - 1)::date",
            "date_trunc('month', CURRENT_DATE) - 1",
            "CURRENT_DATE - INTERVAL '1 month'",
            "(CURRENT_DATE - INTERVAL '1 month' - INTERVAL '1 month')::date",
            "(CURRENT_DATE - INTERVAL '1 day' - INTERVAL '1 month')::date",
            "(date_trunc('week', CURRENT_DATE) - INTERVAL '1 month' + INTERVAL '1 month')::date",
            "(CURRENT_DATE - INTERVAL '-1 month')::date",
            "(CURRENT_DATE - INTERVAL '1 month 3 days')::date",
            "(CURRENT_DATE - INTERVAL '5 hours')::date",
            "CURRENT_DATE - 99999999",
            "CURRENT_DATE + 2147483647 + 2147483647",
            "'2025-02-30'",
            "TIMESTAMP '2025-01-15'",
            "to_date('2025-01-15', 'YYYY-MM-DD')",
            "DATE '2025-01-15' AT TIME ZONE 'UTC'",
            "CURRENT_DATE, CURRENT_DATE - 1",
        ] {
            let sql = format!("SELECT 1 AS n FROM t WHERE x >= coalesce(:start_date, {default})");
            let template = compiled(&sql).unwrap();
            assert_eq!(template.slots.start_date, Some(DateDefault::FromToday), "{default}");
            assert!(template.sql.contains("COALESCE($1::date, "), "{default}: {}", template.sql);
            let is_said = |note: &SlotNote| {
                (note.column, note.is_slot) == (33, false)
                    && note.message.contains("cannot have this default")
            };
            assert!(template.notes.iter().any(is_said), "{default}: {:?}", template.notes);
        }
        let other =
            "SELECT coalesce(:end_date, CURRENT_DATE) AS a, coalesce(:end_date, CURRENT_DATE - 1)";
        let template = compiled(other).unwrap();
        assert_eq!(template.slots.end_date, Some(DateDefault::Relative(RelativeDay::TODAY)));
        let is_said = |note: &SlotNote| note.message.contains("already gives this end");
        assert!(template.notes.iter().any(is_said), "{:?}", template.notes);
    }

    #[test]
    fn what_gives_no_default_stays() {
        let sql = "SELECT coalesce(x, :start_date), coalesce(:day_range, 7), coalesce(:end_date, \
                   CURRENT_DATE - 1), :end_date AS until FROM t";
        let template = compiled(sql).unwrap();
        assert_eq!(
            template.sql,
            "SELECT COALESCE(x, $1::date), COALESCE($2::int, 7), $3::date AS \"coalesce\", $3::date \
             AS until FROM t"
        );
        assert_eq!(template.slots.start_date, Some(DateDefault::FromToday));
        let now = "2025-06-15T20:30:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        let now = now.with_timezone(&chrono_tz::Tz::UTC);
        let window = Window::resolve(&template.slots, &WindowRequest::default(), now).unwrap();
        assert_eq!(window.end_date, "2025-06-14".parse().ok());
        assert_eq!(window.start_date, "2025-05-15".parse().ok());
        let messages: Vec<_> = template.notes.iter().map(|note| note.message.as_str()).collect();
        assert!(
            messages.contains(
                &":end_date is the last day of the window, inclusive, by default today minus 1 day"
            ),
            "{messages:?}"
        );
    }
}
