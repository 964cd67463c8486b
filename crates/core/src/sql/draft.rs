//! Compiles an author's SQL to a template, in two steps: by the text alone, and by the types that
//! PREPARE infers for its literals.
//!
//! Never asks a database: the caller prepares [`Draft::sql`] and hands back the types.

use std::{collections::BTreeSet, fmt};

use pg_query::Node;

use super::{
    candidates::{self, Range, SlotCandidates},
    clock,
    defaults::{self, Defaults},
    error::{Offset, SqlError, SqlFault, line_and_column},
    estimates::ParameterKind,
    fields::{FieldCollector, FieldName},
    gate::Gate,
    grammar,
    inspection::Inspected,
    last_day::{self, Types, UpperBound},
    literals::DayLiteral,
    names::ColumnNames,
    notes::Note,
    operators::{OperatorUse, UsedOperators},
    parameter::{Parameter, ParameterSource, ParameterType},
    placeholders::{Placeholders, Printed},
    scan::{self, NamedPlaceholder, PlaceholderSource},
    series,
    special_dates::{self, SpecialDateLiteral},
    stack,
    table_name::TableName,
    template::{SlotNote, Template},
    tree::param_number,
    walk::{Visitor, walk},
};
use crate::{
    claim::ClaimName,
    window::{DEFAULT_DAYS, DateDefault, ParamName, SessionZone, Slots},
};

/// A parsed and gated query whose literals are still candidates for slots.
pub struct Draft {
    text: String,
    gate: Gate,
    tree: Node,
    placeholders: Placeholders,
    tables: BTreeSet<TableName>,
    fields: FieldCollector,
    operators: UsedOperators,
    named: Vec<NamedPlaceholder>,
    defaults: Defaults,
    special_dates: Vec<SpecialDateLiteral>,
    candidates: SlotCandidates,
    upper_bounds: Vec<UpperBound>,
    notes: Vec<Note>,
    printed: Printed,
}

// Not derived: to print a tree needs the stack that `stack` gives.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("sql", &self.printed.sql).finish_non_exhaustive()
    }
}

impl Draft {
    /// Parses an author's SQL and finds its placeholders and the literals that may become slots.
    ///
    /// # Errors
    /// When it is not one SELECT of PostgreSQL's grammar, holds an unknown placeholder, or anything
    /// that a query may not hold.
    pub fn parse(sql: &str, gate: &Gate) -> Result<Self, SqlError> {
        stack::deep(sql, || parse(sql, gate)).map_err(|fault| fault.in_text(sql))
    }

    /// Returns the statement with a `$n` for every slot and candidate, and for every upper bound whose type
    /// matters: prepare it to infer their types.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.printed.sql
    }

    /// Returns the tables and views that it reads, other than its own WITH queries.
    #[must_use]
    pub fn tables(&self) -> &BTreeSet<TableName> {
        &self.tables
    }

    /// Returns the operators that it names without a schema.
    #[must_use]
    pub fn operators(&self) -> Vec<OperatorUse> {
        self.operators.in_text(&self.text)
    }

    /// Returns the names after its dots that may be calls.
    #[must_use]
    pub fn fields(&self) -> Vec<FieldName> {
        self.fields.in_text(&self.text)
    }

    /// Returns the claims that it reads from a caller's token.
    #[must_use]
    pub fn claims(&self) -> BTreeSet<ClaimName> {
        let claim = |placeholder: &NamedPlaceholder| match &placeholder.source {
            PlaceholderSource::Claim(name) => Some(name.clone()),
            PlaceholderSource::Window(_) => None,
        };
        self.named.iter().filter_map(claim).collect()
    }

    /// Builds the template from the types of `$1` … `$n` of [`Self::sql`] as PREPARE inferred them
    /// (`None` for any other type). Literals of unsuitable types stay as written.
    ///
    /// # Errors
    /// When `inferred` has not one entry for each `$n`.
    pub fn finish(self, inferred: &[Option<ParameterType>]) -> Result<Template, SqlError> {
        let expected = self.printed.numbers.len();
        if inferred.len() != expected {
            let message = format!("{} types were given for {expected} parameters", inferred.len());
            return Err(SqlFault::new(0_usize, message).in_text(&self.text));
        }
        let text = self.text.clone();
        stack::deep(&text, || self.with_types(inferred, false))
            .map_err(|fault| fault.in_text(&text))
    }

    /// Builds the template without a database: every literal has the type of its cast, else `date` or that
    /// of an instant, and a special date literal such as `'today'` is a text.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn assume(self) -> Result<Template, SqlError> {
        let inferred: Vec<_> = self.printed.parameters.iter().map(|p| Some(p.ty)).collect();
        let text = self.text.clone();
        stack::deep(&text, || self.with_types(&inferred, true))
            .map_err(|fault| fault.in_text(&text))
    }

    fn with_types(
        mut self,
        inferred: &[Option<ParameterType>],
        is_assumed: bool,
    ) -> Result<Template, SqlFault> {
        let numbers = std::mem::take(&mut self.printed.numbers);
        let type_of = |number| {
            let index = numbers.iter().position(|printed| *printed == number);
            index.and_then(|index| inferred.get(index).copied().flatten())
        };
        let (slots, kept) = self.literal_slots(&type_of);
        let types = if is_assumed { Types::Assumed } else { Types::Inferred(&type_of) };
        let bounds = self.upper_bounds.iter();
        let lost = bounds.filter_map(|bound| bound.note(&types, |number| kept.contains(&number)));
        self.notes.extend(lost);
        last_day::restore(&mut self.tree, &mut self.placeholders, &self.upper_bounds)?;
        for literal in &self.special_dates {
            let inferred = type_of(literal.number);
            if let Some(clock) = literal.typed(inferred, &mut self.placeholders)? {
                self.placeholders.set_original(literal.number, clock);
            }
        }
        self.placeholders.restore(&mut self.tree, |number| kept.contains(&number))?;
        self.template(slots)
    }

    /// Makes slots of the literals whose types allow it, and returns all slots and those literals' numbers.
    fn literal_slots(
        &mut self,
        type_of: &dyn Fn(i32) -> Option<ParameterType>,
    ) -> (Slots, BTreeSet<i32>) {
        let mut slots = self.fixed_slots();
        let mut kept = BTreeSet::new();
        let types: Vec<_> = self
            .candidates
            .ranges
            .iter()
            .map(|range| {
                let start = suitable(&range.start, type_of(range.start_number), false)?;
                let end = suitable(&range.end, type_of(range.end_number), range.ends_before)?;
                Some((start, end))
            })
            .collect();
        // All are the same range: one alone would not move with the others.
        let all_suitable = types.iter().all(Option::is_some);
        for (range, types) in self.candidates.ranges.iter().zip(types) {
            let Some((start, end)) = types.filter(|_| all_suitable) else {
                self.notes.extend(unsuitable(range, types.is_some()));
                continue;
            };
            kept.extend([range.start_number, range.end_number]);
            bind_as(&mut self.placeholders, range.start_number, &range.start, start);
            bind_as(&mut self.placeholders, range.end_number, &range.end, end);
            let (first, last) = range.days();
            slots.start_date = Some(DateDefault::Fixed(first));
            slots.end_date = Some(DateDefault::Fixed(last));
            self.notes.extend(range_notes(range));
        }
        for days in &self.candidates.days {
            kept.insert(days.number);
            slots.day_range = Some(days.days);
            let message =
                format!("this is day_range, by default {} days back from today", days.days);
            self.notes.push(Note::info(days.location, true, message));
        }
        (slots, kept)
    }

    /// Prints the template.
    fn template(self, mut slots: Slots) -> Result<Template, SqlFault> {
        let printed = self.placeholders.print(&self.tree)?;
        let clock =
            |p: &Parameter| matches!(p.source, ParameterSource::Today | ParameterSource::Now);
        slots.clock = printed.parameters.iter().any(clock);
        let template = Template {
            sql: printed.sql,
            parameters: printed.parameters,
            slots,
            claims: self.claims(),
            tables: self.tables,
            notes: in_text(self.notes, &self.text),
        };
        // The template must pass as it is stored; its locations are not the author's.
        self.gate
            .recheck_on_this_stack(&template)
            .map_err(|fault| SqlFault { offset: 0, ..fault })?;
        Ok(template)
    }

    /// Returns the slots of the named placeholders, which are certain before any type is known.
    fn fixed_slots(&self) -> Slots {
        let has = |param| self.named.iter().any(|p| p.source == PlaceholderSource::Window(param));
        Slots {
            start_date: has(ParamName::StartDate)
                .then_some(self.defaults.start_date.unwrap_or(DateDefault::FromToday)),
            end_date: has(ParamName::EndDate)
                .then_some(self.defaults.end_date.unwrap_or(DateDefault::FromToday)),
            day_range: has(ParamName::DayRange).then_some(DEFAULT_DAYS),
            timezone: has(ParamName::Timezone),
            clock: false,
            session_zone: SessionZone::Any,
        }
    }
}

fn parse(sql: &str, gate: &Gate) -> Result<Draft, SqlFault> {
    if sql.len() > grammar::MAX_BYTES {
        let message = format!("the SQL is longer than {} KiB", grammar::MAX_BYTES / 1024);
        return Err(SqlFault::new(0_usize, message));
    }
    if let Some(at) = sql.find('\0') {
        return Err(SqlFault::new(at, "the SQL contains a NUL character"));
    }
    let scanned = scan::placeholders(sql)?;
    let mut tree = grammar::parse(sql, &scanned)?;
    let named = scanned.placeholders;
    let kinds: Vec<_> = named.iter().map(|p| ParameterKind::of(&parameter(p).source)).collect();
    let Inspected { tables, fields, operators } = gate.inspect(&mut tree, &kinds)?;

    let columns = ColumnNames::of(&mut tree, &named)?;
    let mut placeholders = Placeholders::default();
    walk(&mut tree, &mut Bind { named: &named, placeholders: &mut placeholders })?;
    clock::replace(&mut tree, &mut placeholders)?;
    let (defaults, unused) = defaults::take(&mut tree, &placeholders)?;
    let mut notes = placeholder_notes(&named, defaults);
    notes.extend(unused);
    columns.keep(&mut tree)?;
    let special_dates = special_dates::find(&mut tree, &mut placeholders)?;
    let (candidates, rest) = candidates::find(&mut tree, &mut placeholders, &named, sql)?;
    notes.extend(rest);
    let upper_bounds = last_day::find(&mut tree, &mut placeholders, &candidates, &special_dates)?;
    series::guard(&mut tree)?;

    let printed = placeholders.print(&tree)?;
    let (text, gate) = (sql.to_owned(), gate.clone());
    Ok(Draft {
        text,
        gate,
        tree,
        placeholders,
        tables,
        fields,
        operators,
        named,
        defaults,
        special_dates,
        candidates,
        upper_bounds,
        notes,
        printed,
    })
}

/// Replaces the named placeholders, which the parser knows as `$1` … `$n`.
struct Bind<'a> {
    named: &'a [NamedPlaceholder],
    placeholders: &'a mut Placeholders,
}

impl Visitor for Bind<'_> {
    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        let index = param_number(node).and_then(|number| usize::try_from(number - 1).ok());
        let Some(placeholder) = index.and_then(|index| self.named.get(index)) else {
            return Ok(());
        };
        let location = i32::try_from(placeholder.offset).unwrap_or(-1);
        *node = self.placeholders.fixed(parameter(placeholder), location);
        Ok(())
    }
}

/// Returns the parameter that a named placeholder becomes.
fn parameter(placeholder: &NamedPlaceholder) -> Parameter {
    let (source, ty) = match &placeholder.source {
        PlaceholderSource::Window(ParamName::StartDate) => {
            (ParameterSource::StartDate, ParameterType::Date)
        }
        PlaceholderSource::Window(ParamName::EndDate) => {
            (ParameterSource::EndDate, ParameterType::Date)
        }
        PlaceholderSource::Window(ParamName::DayRange) => {
            (ParameterSource::DayRange, ParameterType::Int)
        }
        PlaceholderSource::Window(ParamName::Timezone) => {
            (ParameterSource::Timezone, ParameterType::Text)
        }
        PlaceholderSource::Claim(name) => {
            (ParameterSource::Claim(name.clone()), ParameterType::Text)
        }
    };
    Parameter { source, ty }
}

fn placeholder_notes(named: &[NamedPlaceholder], defaults: Defaults) -> Vec<Note> {
    let by_default = |given: Option<DateDefault>, usual: String| match given {
        Some(DateDefault::Fixed(day)) => day.to_string(),
        Some(DateDefault::Relative(day)) => day.to_string(),
        Some(DateDefault::FromToday) | None => usual,
    };
    let note = |placeholder: &NamedPlaceholder| {
        let what = match &placeholder.source {
            PlaceholderSource::Window(ParamName::StartDate) => {
                let usual = format!("{DEFAULT_DAYS} days before end_date");
                let day = by_default(defaults.start_date, usual);
                format!("the first day of the window, by default {day}")
            }
            PlaceholderSource::Window(ParamName::EndDate) => {
                let day = by_default(defaults.end_date, "today".to_owned());
                format!("the last day of the window, inclusive, by default {day}")
            }
            PlaceholderSource::Window(ParamName::DayRange) => {
                format!("a number of days, by default {DEFAULT_DAYS}")
            }
            PlaceholderSource::Window(ParamName::Timezone) => {
                "the time zone's name, by default UTC".to_owned()
            }
            PlaceholderSource::Claim(name) => format!(
                "the claim `{name}` of the caller's token, as text; callers without it are refused"
            ),
        };
        let location = i32::try_from(placeholder.offset).unwrap_or(-1);
        Note::info(location, true, format!(":{} is {what}", placeholder.name))
    };
    named.iter().map(note).collect()
}

/// Returns the type that a literal is bound as, if it may be. A cast tells it; else PREPARE has inferred it.
fn suitable(
    literal: &DayLiteral,
    inferred: Option<ParameterType>,
    ends_before: bool,
) -> Option<ParameterType> {
    literal.cast.or(inferred).filter(|ty| match ty {
        // As a date, a day's last instant is the day itself, which does not lie before itself.
        ParameterType::Date => !(ends_before && literal.is_last_instant()),
        ParameterType::Timestamp | ParameterType::TimestampTz => true,
        // A text is compared as it is spelled.
        ParameterType::Text => literal.is_plain(),
        ParameterType::Int => false,
    })
}

/// Makes a literal a parameter of type `ty`, or the day of an instant of that type.
fn bind_as(placeholders: &mut Placeholders, number: i32, literal: &DayLiteral, ty: ParameterType) {
    match &literal.instant {
        Some(instant) => {
            placeholders.set_instant(
                number,
                &instant.time,
                Some(ty).filter(|_| literal.cast.is_none()),
            );
        }
        None => placeholders.set_type(number, ty),
    }
}

/// Notes why a range stays: by its own type, or by another's.
fn unsuitable(range: &Range, by_another: bool) -> impl Iterator<Item = Note> {
    let reason = if by_another {
        "the same range is also compared with a value that is not a date, timestamp or text of that \
         form; use :start_date and :end_date for the query's window"
    } else {
        "its range is compared with a value that is not a date, timestamp or text of that form"
    };
    let note = move |day: &DayLiteral| {
        let message = format!("'{}' stays as written: {reason}", day.text);
        Note::info(day.location, false, message)
    };
    [&range.start, &range.end].map(note).into_iter()
}

fn range_notes(range: &Range) -> [Note; 2] {
    let (first, last) = range.days();
    let of_end = if range.is_half_open {
        format!("this is the day after end_date, whose default is {last}")
    } else if range.end.is_last_instant() {
        format!("this is the end of end_date, by default {last}")
    } else {
        format!("this is end_date, by default {last}")
    };
    let of_start = format!("this is start_date, by default {first}");
    [Note::info(range.start.location, true, of_start), Note::info(range.end.location, true, of_end)]
}

fn in_text(mut notes: Vec<Note>, text: &str) -> Vec<SlotNote> {
    notes.sort_by_key(|note| note.location);
    let note = |note: Note| {
        let (line, column) = line_and_column(text, Offset::from(note.location).0);
        let Note { location: _, is_slot, severity, of_records, message } = note;
        SlotNote { line, column, is_slot, severity, of_records, message }
    };
    notes.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PREPARE would say: every literal has the type `ty`.
    fn with_type(sql: &str, ty: Option<ParameterType>) -> Template {
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        let types = vec![ty; draft.printed.numbers.len()];
        draft.finish(&types).unwrap()
    }

    fn notes(template: &Template) -> Vec<String> {
        let note = |n: &SlotNote| {
            format!(
                "{}:{} {} {}",
                n.line,
                n.column,
                if n.is_slot { "slot" } else { "-" },
                n.message
            )
        };
        template.notes.iter().map(note).collect()
    }

    #[test]
    fn a_literal_has_the_type_that_prepare_infers() {
        let sql = "SELECT 1 FROM t WHERE x >= '2025-06-01' AND x < '2025-07-01'";
        for ty in [
            ParameterType::Date,
            ParameterType::Timestamp,
            ParameterType::TimestampTz,
            ParameterType::Text,
        ] {
            let template = with_type(sql, Some(ty));
            assert_eq!(template.sql, "SELECT 1 FROM t WHERE x >= $1 AND x < $2");
            assert!(template.parameters.iter().all(|parameter| parameter.ty == ty));
        }
    }

    #[test]
    fn a_range_of_another_type_stays_as_written() {
        let sql = "SELECT 1 FROM t WHERE d > CURRENT_DATE AND x BETWEEN '2025-06-01' AND '2025-06-30' \
                   AND y <= CURRENT_DATE";
        let draft = Draft::parse(sql, &Gate::default()).unwrap();
        assert_eq!(
            draft.sql(),
            "SELECT 1 FROM t WHERE d > $1::date AND x BETWEEN $2 AND $3 AND y <= $4"
        );
        // One end is enough.
        let date = Some(ParameterType::Date);
        let template = draft.finish(&[date, None, date, date]).unwrap();
        assert_eq!(
            template.sql,
            "SELECT 1 FROM t WHERE d > $1::date AND x BETWEEN '2025-06-01' AND '2025-06-30' AND y \
             <= $1::date"
        );
        assert_eq!((template.slots.start_date, template.slots.end_date), (None, None));
        assert_eq!(template.parameters.len(), 1);
        assert_eq!(template.notes.iter().filter(|note| !note.is_slot).count(), 2);
    }

    #[test]
    fn equal_ranges_stay_together() {
        let sql = "SELECT 1 FROM t WHERE x BETWEEN '2025-06-01' AND '2025-06-30' AND y >= '2025-06-01' \
                   AND y < '2025-07-01'";
        let date = Some(ParameterType::Date);
        let draft = || Draft::parse(sql, &Gate::default()).unwrap();
        let all = draft().finish(&[date, date, date, date]).unwrap();
        assert_eq!((all.parameters.len(), all.notes.len()), (4, 4));
        for at in 0..4 {
            let mut types = [date; 4];
            types[at] = None;
            let template = draft().finish(&types).unwrap();
            assert_eq!(template.sql, sql);
            assert_eq!((template.slots.start_date, template.slots.end_date), (None, None));
            assert!(template.notes.iter().all(|note| !note.is_slot));
            let mut messages = notes(&template);
            assert_eq!(messages.len(), 4);
            messages.retain(|message| message.contains("the same range is also compared with"));
            assert_eq!(messages.len(), 2);
        }
    }

    #[test]
    fn as_text_only_a_plain_day_is_a_slot() {
        let sql = "SELECT 1 FROM t WHERE x BETWEEN '2025-06-01 00:00:00' AND '2025-06-30'";
        assert!(with_type(sql, Some(ParameterType::Text)).parameters.is_empty());
        assert_eq!(with_type(sql, Some(ParameterType::Date)).parameters.len(), 2);
    }

    #[test]
    fn the_last_day_of_a_timestamp_column_is_noted() {
        let sql = "SELECT 1 FROM t\nWHERE x BETWEEN '2025-06-01' AND '2025-06-30'";
        assert_eq!(
            notes(&with_type(sql, Some(ParameterType::Timestamp))),
            [
                "2:17 slot this is start_date, by default 2025-06-01",
                "2:34 slot this is end_date, by default 2025-06-30",
                "2:34 slot the last day counts only up to midnight; write `x >= '2025-06-01' AND x \
                 < '2025-07-01'` to count all of it",
            ]
        );
        assert_eq!(with_type(sql, Some(ParameterType::Date)).notes.len(), 2);
        let half_open = "SELECT 1 FROM t WHERE x >= '2025-06-01' AND x < '2025-07-01'";
        assert_eq!(with_type(half_open, Some(ParameterType::Timestamp)).notes.len(), 2);
    }

    #[test]
    fn placeholders_have_defaults_types_and_notes() {
        let sql = "SELECT :timezone, :day_range FROM t WHERE é >= :start_date AND é < :end_date";
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        assert_eq!(
            template.sql,
            "SELECT $1::text AS timezone, $2::int AS day_range FROM t WHERE \"é\" >= $3::date AND \
             \"é\" < $4::date"
        );
        let expected = Slots {
            start_date: Some(DateDefault::FromToday),
            end_date: Some(DateDefault::FromToday),
            day_range: Some(30),
            timezone: true,
            clock: false,
            session_zone: SessionZone::Any,
        };
        assert_eq!(template.slots, expected);
        assert_eq!(
            notes(&template),
            [
                "1:8 slot :timezone is the time zone's name, by default UTC",
                "1:19 slot :day_range is a number of days, by default 30",
                "1:48 slot :start_date is the first day of the window, by default 30 days before \
                 end_date",
                "1:68 slot :end_date is the last day of the window, inclusive, by default today",
                "1:68 slot end_date is inclusive for callers, and `< :end_date` leaves their last \
                 day out; write `é < :end_date + 1`",
            ]
        );
    }

    #[test]
    fn a_placeholder_names_its_column_and_is_one_parameter() {
        let sql = "SELECT :start_date, :start_date::timestamp, :start_date + 1, date_trunc('day', a AT \
                   TIME ZONE :timezone) FROM t GROUP BY date_trunc('day', a AT TIME ZONE :timezone)";
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        assert_eq!(
            template.sql,
            "SELECT $1::date AS start_date, $1::date::timestamp AS start_date, $1::date + 1, \
             date_trunc('day', a AT TIME ZONE $2::text) FROM t GROUP BY date_trunc('day', a AT TIME \
             ZONE $2::text)"
        );
    }

    #[test]
    fn the_number_of_types_must_be_right() {
        let draft = Draft::parse("SELECT CURRENT_DATE", &Gate::default()).unwrap();
        let error = draft.finish(&[]).unwrap_err();
        assert_eq!(error.message, "0 types were given for 1 parameters");
    }
}
