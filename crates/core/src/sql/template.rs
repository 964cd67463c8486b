//! What a query compiles to.

use std::{collections::BTreeSet, fmt, str::FromStr};

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use thiserror::Error;

use pg_query::{Node, NodeEnum};

use super::{
    error::{Fault, SqlError},
    grammar,
    quoting::quoted_name,
    stack,
    tree::{param, param_number, target},
    walk::{Visitor, walk},
};
use crate::{
    claim::{ClaimName, Scope, ScopeFault},
    window::{RelativeDay, Window},
};

/// A compiled query: one SELECT whose parameters are filled from a [`Window`].
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The statement, with `$1` … `$n` for [`Self::parameters`], as PostgreSQL's grammar prints it.
    pub sql: String,
    /// One for each `$n`, in order.
    pub parameters: Vec<Parameter>,
    /// What a caller may vary, and the defaults.
    pub slots: Slots,
    /// The claims that the caller's token fills; nobody can vary them.
    pub claims: BTreeSet<ClaimName>,
    /// The tables and views that the statement reads.
    pub tables: BTreeSet<TableName>,
    /// What became a slot, what did not, and why; for the author.
    pub notes: Vec<SlotNote>,
}

/// What fills one `$n`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// What it takes.
    pub source: ParameterSource,
    /// The type that it is bound as.
    pub ty: ParameterType,
}

/// What a parameter takes: a part of the window, or a claim of the caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ParameterSource {
    /// The first day.
    StartDate,
    /// The last day, inclusive.
    EndDate,
    /// The day after the last: the open end of `x < …`.
    DayAfterEnd,
    /// Days back from today.
    DayRange,
    /// The time zone's name.
    Timezone,
    /// The present day in the time zone.
    Today,
    /// The present instant.
    Now,
    /// A claim of the caller's token; always text.
    Claim(ClaimName),
}

/// The PostgreSQL type that a parameter is bound as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParameterType {
    /// `date`
    Date,
    /// `timestamp`, bound as midnight
    Timestamp,
    /// `timestamptz`; a day is bound as UTC midnight
    TimestampTz,
    /// `text`; a day is bound as `YYYY-MM-DD`
    Text,
    /// `int4`
    Int,
}

/// A value to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A `date`.
    Date(NaiveDate),
    /// A `timestamp`.
    Timestamp(NaiveDateTime),
    /// A `timestamptz`.
    TimestampTz(DateTime<Utc>),
    /// A `text`.
    Text(String),
    /// An `int4`.
    Int(i32),
}

/// What a caller may vary, and what it is when nobody does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Slots {
    /// The first day, if the statement has a place for it.
    pub start_date: Option<DateDefault>,
    /// The last day, inclusive, if the statement has a place for it.
    pub end_date: Option<DateDefault>,
    /// Days back from today, if the statement has a place for them.
    pub day_range: Option<u32>,
    /// Whether the statement has a place for the time zone's name.
    pub timezone: bool,
    /// Whether the statement asks for the present day or instant.
    pub clock: bool,
}

/// A date slot's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateDefault {
    /// The author's literal, as an inclusive day.
    Fixed(NaiveDate),
    /// The author's day, told from today.
    Relative(RelativeDay),
    /// Today for the end, 30 days before the end for the start.
    FromToday,
}

/// A table or view as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The schema, if it is named.
    pub schema: Option<String>,
    /// The table.
    pub name: String,
}

impl TableName {
    /// The schema. A table that is named without one is looked for in `public` alone.
    #[must_use]
    pub fn schema(&self) -> &str {
        self.schema.as_deref().unwrap_or("public")
    }

    /// The same table, with its schema named.
    #[must_use]
    pub fn qualified(self) -> Self {
        Self { schema: Some(self.schema().to_owned()), name: self.name }
    }

    /// The table with its schema: `schema.table`, as policies and the audit write it. A part that
    /// holds a dot or a quotation mark is quoted as in SQL, so that no two tables share a name.
    #[must_use]
    pub fn with_schema(&self) -> String {
        let part = |text: &str| {
            if text.contains(['.', '"']) { quoted_name(text) } else { text.to_owned() }
        };
        format!("{}.{}", part(self.schema()), part(&self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A text does not name a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be a table, or a schema and a table, such as public.orders")]
pub struct InvalidTableName;

impl FromStr for TableName {
    type Err = InvalidTableName;

    /// Reads what [`TableName::with_schema`] writes; the schema may be left out. Nothing is folded to
    /// lower case.
    fn from_str(text: &str) -> Result<Self, InvalidTableName> {
        let (first, rest) = name_part(text)?;
        if rest.is_empty() {
            return Ok(Self { schema: None, name: first });
        }
        match name_part(rest.strip_prefix('.').ok_or(InvalidTableName)?)? {
            (name, "") => Ok(Self { schema: Some(first), name }),
            _ => Err(InvalidTableName),
        }
    }
}

/// The first part of a name, and what follows upon it.
fn name_part(text: &str) -> Result<(String, &str), InvalidTableName> {
    let (part, rest) = match text.strip_prefix('"') {
        None => {
            let (part, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
            if part.contains('"') {
                return Err(InvalidTableName);
            }
            (part.to_owned(), rest)
        }
        Some(quoted) => {
            let mut part = String::new();
            let mut rest = quoted;
            loop {
                let (before, after) = rest.split_once('"').ok_or(InvalidTableName)?;
                part.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        rest = more;
                    }
                    None => break (part, after),
                }
            }
        }
    };
    // PostgreSQL's names hold anything else.
    if part.is_empty() || part.contains('\0') {
        return Err(InvalidTableName);
    }
    Ok((part, rest))
}

/// What became of one date, number of days or placeholder in the author's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotNote {
    /// Line in the author's SQL, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Whether it became a slot.
    pub is_slot: bool,
    /// What it is and why, as a sentence.
    pub message: String,
}

impl Template {
    /// The values of `$1` … `$n` for a window resolved from this template's slots, and the scope that
    /// a caller has for its claims.
    ///
    /// # Errors
    /// When the scope lacks a claim: it was made for another template.
    pub fn bind(&self, window: &Window, scope: &Scope) -> Result<Vec<Value>, ScopeFault> {
        self.parameters.iter().map(|parameter| parameter.value(window, scope)).collect()
    }
}

impl Template {
    /// The same statement for the planner alone: in place of each claim stands a value that only a run
    /// would find out, so that it costs what it does for anybody.
    ///
    /// # Errors
    /// When the template is none: damaged in the database, say.
    pub fn with_unknown_claims(&self) -> Result<Self, SqlError> {
        let unknown = stack::deep(|| unknown_claims(self));
        let (sql, parameters) = unknown.map_err(|fault| fault.in_text(&self.sql))?;
        Ok(Self { sql, parameters, claims: BTreeSet::new(), ..self.clone() })
    }
}

fn unknown_claims(template: &Template) -> Result<(String, Vec<Parameter>), Fault> {
    let mut tree = grammar::parse_printed(&template.sql)?;
    // A subquery of its own is planned as a value to come, even if it is a constant.
    let unknown = first_target(&grammar::parse_printed("SELECT (SELECT ''::text)")?);
    let is_claim = |parameter: &&Parameter| matches!(parameter.source, ParameterSource::Claim(_));
    let mut numbers = Vec::new();
    let mut last = 0;
    for parameter in &template.parameters {
        last += i32::from(!is_claim(&parameter));
        numbers.push(Some(last).filter(|_| !is_claim(&parameter)));
    }
    walk(&mut tree, &mut Renumber { numbers, unknown })?;
    let kept = template.parameters.iter().filter(|parameter| !is_claim(parameter));
    Ok((grammar::deparse(&tree)?, kept.cloned().collect()))
}

/// The first column's expression.
fn first_target(select: &Node) -> Node {
    let first = match &select.node {
        Some(NodeEnum::SelectStmt(select)) => select.target_list.first().and_then(target),
        _ => None,
    };
    first.and_then(|first| first.val.as_deref()).cloned().unwrap_or_default()
}

struct Renumber {
    /// The new number of each parameter; none for a claim.
    numbers: Vec<Option<i32>>,
    unknown: Node,
}

impl Visitor for Renumber {
    fn replace(&mut self, node: &mut Node) -> Result<(), Fault> {
        let index = param_number(node).and_then(|number| usize::try_from(number - 1).ok());
        match index.and_then(|index| self.numbers.get(index)) {
            Some(Some(number)) => *node = param(*number, -1),
            Some(None) => *node = self.unknown.clone(),
            None => {}
        }
        Ok(())
    }
}

impl Parameter {
    fn value(&self, window: &Window, scope: &Scope) -> Result<Value, ScopeFault> {
        let end = window.end_date.unwrap_or(window.today);
        Ok(match &self.source {
            ParameterSource::StartDate => self.day(window.start_date.unwrap_or(window.today)),
            ParameterSource::EndDate => self.day(end),
            ParameterSource::DayAfterEnd => self.day(end + Days::new(1)),
            ParameterSource::Today => self.day(window.today),
            ParameterSource::DayRange => {
                Value::Int(window.day_range.unwrap_or_default().cast_signed())
            }
            ParameterSource::Timezone => Value::Text(window.timezone.name().to_owned()),
            ParameterSource::Now => Value::TimestampTz(window.now),
            ParameterSource::Claim(name) => {
                let value = scope.value(name).ok_or_else(|| ScopeFault::Missing(name.clone()))?;
                Value::Text(value.to_owned())
            }
        })
    }

    fn day(&self, day: NaiveDate) -> Value {
        let midnight = day.and_time(NaiveTime::MIN);
        match self.ty {
            ParameterType::Timestamp => Value::Timestamp(midnight),
            ParameterType::TimestampTz => Value::TimestampTz(midnight.and_utc()),
            ParameterType::Text => Value::Text(day.format("%Y-%m-%d").to_string()),
            ParameterType::Date | ParameterType::Int => Value::Date(day),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::{Draft, Gate};

    #[test]
    fn claims_give_way_to_what_only_a_run_finds_out() {
        let sql = "SELECT count(*) AS n, :claim_a AS a FROM t WHERE x = :claim_b::int AND d BETWEEN \
                   :start_date AND :end_date AND z = :timezone GROUP BY :claim_a";
        let template = Draft::parse(sql, &Gate::default()).unwrap().assume().unwrap();
        let unknown = template.with_unknown_claims().unwrap();
        assert_eq!(
            unknown.sql,
            "SELECT count(*) AS n, (SELECT ''::text)::text AS a FROM t WHERE x = (SELECT ''::text)::text::int \
             AND d BETWEEN $1::date AND $2::date AND z = $3::text GROUP BY (SELECT ''::text)::text"
        );
        assert!(unknown.claims.is_empty());
        assert_eq!(unknown.parameters, template.parameters[2..]);
        assert_eq!(unknown.with_unknown_claims().unwrap(), unknown);
    }

    fn named(schema: Option<&str>, name: &str) -> TableName {
        TableName { schema: schema.map(Into::into), name: name.into() }
    }

    #[test]
    fn a_table_is_named_with_or_without_its_schema() {
        for (text, table) in [
            ("orders", named(None, "orders")),
            ("Sales.Orders 2025", named(Some("Sales"), "Orders 2025")),
            ("\"a.b\".\"c\"\"d\"", named(Some("a.b"), "c\"d")),
            ("\"orders\"", named(None, "orders")),
        ] {
            assert_eq!(text.parse(), Ok(table), "{text}");
        }
        for text in [
            "", ".", ".orders", "sales.", "a.b.c", "\"a", "\"a\"b", "a\"b", "\"\"", "a.\"\"", "a\0",
        ] {
            assert_eq!(text.parse::<TableName>(), Err(InvalidTableName), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(schema in "[a.\" é]{1,6}", name in "[a.\" é]{1,6}") {
            let table = named(Some(&schema), &name);
            prop_assert_eq!(table.with_schema().parse(), Ok(table));
        }

        #[test]
        fn what_is_read_is_one_table(text in "[a.\"]{0,8}") {
            if let Ok(table) = text.parse::<TableName>() {
                prop_assert_eq!(table.with_schema().parse(), Ok(table.qualified()));
            }
        }
    }
}
