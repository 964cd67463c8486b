//! From an author's SQL to a template, in two steps: what the text alone says, and what PREPARE
//! says about the types of its literals.
//!
//! Asks no database: the caller prepares [`Draft::sql`] and hands the types back.

use std::collections::BTreeSet;

use pg_query::{Node, NodeEnum};

use super::{
    clock,
    error::{Fault, Offset, SqlError, place},
    gate, grammar,
    holes::{Holes, Printed},
    names::ColumnNames,
    scan::{self, Placeholder},
    slots::{self, Candidates, Note, Range},
    template::{
        DateDefault, Parameter, ParameterSource, ParameterType, SlotNote, Slots, TableName,
        Template,
    },
    tree::{binary, cast_parts, param_number},
    walk::{Visitor, walk},
};
use crate::window::{DEFAULT_DAYS, ParamName};

/// A parsed and gated query whose literals are still candidates for slots.
#[derive(Debug, Clone)]
pub struct Draft {
    text: String,
    tree: Node,
    holes: Holes,
    tables: BTreeSet<TableName>,
    placeholders: Vec<Placeholder>,
    candidates: Candidates,
    notes: Vec<Note>,
    printed: Printed,
}

impl Draft {
    /// Parses an author's SQL and finds the places that a window may fill.
    ///
    /// # Errors
    /// When it is not one SELECT of PostgreSQL's grammar, holds an unknown placeholder, or anything
    /// that a query may not hold.
    pub fn parse(sql: &str) -> Result<Self, SqlError> {
        parse(sql).map_err(|fault| fault.in_text(sql))
    }

    /// The statement with a `$n` for every slot and candidate: prepare it to learn their types.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.printed.sql
    }

    /// The tables and views that it reads, other than its own WITH queries.
    #[must_use]
    pub fn tables(&self) -> &BTreeSet<TableName> {
        &self.tables
    }

    /// Makes the template, given the types of `$1` … `$n` of [`Self::sql`] as PREPARE inferred
    /// them (`None` for any other type). Literals of unsuitable types stay as written.
    ///
    /// # Errors
    /// When `inferred` has not one entry for each `$n`.
    pub fn finish(self, inferred: &[Option<ParameterType>]) -> Result<Template, SqlError> {
        let expected = self.printed.holes.len();
        if inferred.len() != expected {
            let message = format!("{} types were given for {expected} parameters", inferred.len());
            return Err(Fault::new(0_usize, message).in_text(&self.text));
        }
        let text = self.text.clone();
        self.with_types(inferred).map_err(|fault| fault.in_text(&text))
    }

    /// Makes the template without a database: every literal is taken for the type of its cast,
    /// else for a date.
    ///
    /// # Errors
    /// As [`Self::finish`].
    pub fn assume(self) -> Result<Template, SqlError> {
        let inferred: Vec<_> = self.printed.parameters.iter().map(|p| Some(p.ty)).collect();
        self.finish(&inferred)
    }

    fn with_types(mut self, inferred: &[Option<ParameterType>]) -> Result<Template, Fault> {
        let type_of = |hole| {
            let index = self.printed.holes.iter().position(|number| *number == hole);
            index.and_then(|index| inferred.get(index).copied().flatten())
        };
        let mut slots = self.fixed_slots();
        let mut kept = BTreeSet::new();
        for range in &self.candidates.ranges {
            let types = (
                suitable(type_of(range.start_hole), range.start.is_plain()),
                suitable(type_of(range.end_hole), range.end.is_plain()),
            );
            let (Some(start), Some(end)) = types else {
                self.notes.extend(unsuitable(range));
                continue;
            };
            kept.extend([range.start_hole, range.end_hole]);
            self.holes.set_type(range.start_hole, start);
            self.holes.set_type(range.end_hole, end);
            let (first, last) = range.days();
            slots.start_date = Some(DateDefault::Fixed(first));
            slots.end_date = Some(DateDefault::Fixed(last));
            self.notes.extend(range_notes(range, end));
        }
        for days in &self.candidates.days {
            kept.insert(days.hole);
            slots.day_range = Some(days.days);
            self.notes.push(Note {
                location: days.location,
                is_slot: true,
                message: format!(
                    "this is day_range, by default {} days back from today",
                    days.days
                ),
            });
        }
        self.holes.restore(&mut self.tree, |number| kept.contains(&number))?;
        let printed = self.holes.print(&self.tree)?;
        Ok(Template {
            sql: printed.sql,
            parameters: printed.parameters,
            slots,
            tables: self.tables,
            notes: in_text(self.notes, &self.text),
        })
    }

    /// The slots that are certain before any type is known.
    fn fixed_slots(&self) -> Slots {
        let has = |param| self.placeholders.iter().any(|p| p.param == param);
        let clock =
            |p: &Parameter| matches!(p.source, ParameterSource::Today | ParameterSource::Now);
        Slots {
            start_date: has(ParamName::StartDate).then_some(DateDefault::FromToday),
            end_date: has(ParamName::EndDate).then_some(DateDefault::FromToday),
            day_range: has(ParamName::DayRange).then_some(DEFAULT_DAYS),
            timezone: has(ParamName::Timezone),
            clock: self.printed.parameters.iter().any(clock),
        }
    }
}

fn parse(sql: &str) -> Result<Draft, Fault> {
    if sql.len() > grammar::MAX_BYTES {
        let message = format!("the SQL is longer than {} KiB", grammar::MAX_BYTES / 1024);
        return Err(Fault::new(0_usize, message));
    }
    if let Some(at) = sql.find('\0') {
        return Err(Fault::new(at, "the SQL holds a NUL character"));
    }
    let scanned = scan::placeholders(sql)?;
    let mut tree = grammar::parse(sql, &scanned)?;
    let tables = gate::tables(&mut tree)?;
    let placeholders = scanned.placeholders;

    let names = ColumnNames::of(&mut tree, &placeholders)?;
    let mut holes = Holes::default();
    let mut notes = placeholder_notes(&placeholders);
    walk(&mut tree, &mut Bind { placeholders: &placeholders, holes: &mut holes })?;
    clock::replace(&mut tree, &mut holes)?;
    names.keep(&mut tree)?;
    walk(&mut tree, &mut EndNotes { holes: &holes, notes: &mut notes })?;
    let (candidates, rest) = slots::find(&mut tree, &mut holes, &placeholders)?;
    notes.extend(rest);

    let printed = holes.print(&tree)?;
    let text = sql.to_owned();
    Ok(Draft { text, tree, holes, tables, placeholders, candidates, notes, printed })
}

/// Makes holes of the placeholders, which the parser knows as `$1` … `$n`.
struct Bind<'a> {
    placeholders: &'a [Placeholder],
    holes: &'a mut Holes,
}

impl Visitor for Bind<'_> {
    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        let index = param_number(node).and_then(|number| usize::try_from(number - 1).ok());
        let Some(placeholder) = index.and_then(|index| self.placeholders.get(index)) else {
            return Ok(());
        };
        let (source, ty) = match placeholder.param {
            ParamName::StartDate => (ParameterSource::StartDate, ParameterType::Date),
            ParamName::EndDate => (ParameterSource::EndDate, ParameterType::Date),
            ParamName::DayRange => (ParameterSource::DayRange, ParameterType::Int),
            ParamName::Timezone => (ParameterSource::Timezone, ParameterType::Text),
        };
        let location = i32::try_from(placeholder.offset).unwrap_or(-1);
        *node = self.holes.fixed(Parameter { source, ty }, location);
        Ok(())
    }
}

fn placeholder_notes(placeholders: &[Placeholder]) -> Vec<Note> {
    let note = |placeholder: &Placeholder| {
        let what = match placeholder.param {
            ParamName::StartDate => format!(
                "the first day of the window, by default {DEFAULT_DAYS} days before end_date"
            ),
            ParamName::EndDate => {
                "the last day of the window, inclusive, by default today".to_owned()
            }
            ParamName::DayRange => format!("a number of days, by default {DEFAULT_DAYS}"),
            ParamName::Timezone => "the time zone's name, by default UTC".to_owned(),
        };
        Note {
            location: i32::try_from(placeholder.offset).unwrap_or(-1),
            is_slot: true,
            message: format!(":{} is {what}", placeholder.param),
        }
    };
    placeholders.iter().map(note).collect()
}

/// Notes the upper bounds that `:end_date` makes shorter than the author may think.
struct EndNotes<'a> {
    holes: &'a Holes,
    notes: &'a mut Vec<Note>,
}

impl Visitor for EndNotes<'_> {
    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        let high = slots::between(node).map(|(_, _, high)| high);
        let (bound, is_open) = match (high, binary(node)) {
            (Some(high), _) => (high, false),
            (None, Some((_, "<", bound) | (bound, ">", _))) => (bound, true),
            (None, Some((_, "<=", bound) | (bound, ">=", _))) => (bound, false),
            _ => return Ok(()),
        };
        let Some(location) = self.end_date(bound) else {
            return Ok(());
        };
        let message = if is_open {
            "end_date is inclusive for callers, and `< :end_date` leaves their last day out; write \
             `< :end_date + 1`"
        } else {
            "on a value with a time of day, the last day counts only up to midnight; write \
             `>= :start_date AND … < :end_date + 1` to count all of it"
        };
        self.notes.push(Note { location, is_slot: true, message: message.to_owned() });
        Ok(())
    }
}

impl EndNotes<'_> {
    /// The place of `:end_date`, if that is all that `bound` is.
    fn end_date(&self, bound: &Node) -> Option<i32> {
        let (value, _, "date") = cast_parts(bound)? else {
            return None;
        };
        let Some(NodeEnum::ParamRef(param)) = &value.node else {
            return None;
        };
        let parameter = self.holes.fixed_parameter(param.number)?;
        (parameter.source == ParameterSource::EndDate).then_some(param.location)
    }
}

/// The type that a literal is bound as, if it may be.
fn suitable(inferred: Option<ParameterType>, is_plain: bool) -> Option<ParameterType> {
    inferred.filter(|ty| match ty {
        ParameterType::Date | ParameterType::Timestamp | ParameterType::TimestampTz => true,
        // A text is compared as it is spelled.
        ParameterType::Text => is_plain,
        ParameterType::Int => false,
    })
}

fn unsuitable(range: &Range) -> impl Iterator<Item = Note> {
    [&range.start, &range.end].map(|day| Note {
        location: day.location,
        is_slot: false,
        message: format!(
            "'{}' stays as written: what its range is compared with is no date, timestamp or text \
             of that form",
            day.text
        ),
    }).into_iter()
}

fn range_notes(range: &Range, end: ParameterType) -> Vec<Note> {
    let (first, last) = range.days();
    let note = |location, message| Note { location, is_slot: true, message };
    let of_end = if range.is_half_open {
        format!("this is the day after end_date, whose default is {last}")
    } else {
        format!("this is end_date, by default {last}")
    };
    let mut notes = vec![
        note(range.start.location, format!("this is start_date, by default {first}")),
        note(range.end.location, of_end),
    ];
    let has_time = matches!(end, ParameterType::Timestamp | ParameterType::TimestampTz);
    if has_time && !range.is_half_open {
        let message = format!(
            "the last day counts only up to midnight; write `x >= '{first}' AND x < '{}'` to count \
             all of it",
            last + chrono::Days::new(1)
        );
        notes.push(note(range.end.location, message));
    }
    notes
}

fn in_text(mut notes: Vec<Note>, text: &str) -> Vec<SlotNote> {
    notes.sort_by_key(|note| note.location);
    let note = |note: Note| {
        let (line, column) = place(text, Offset::from(note.location).0);
        SlotNote { line, column, is_slot: note.is_slot, message: note.message }
    };
    notes.into_iter().map(note).collect()
}
