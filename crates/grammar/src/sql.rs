//! Writes a plan as SQL.
//!
//! Must never copy a word of the sentence except into the leading comment, or as a quoted text or a
//! parsed number into a condition: names come from the schema, quoted where needed.

use std::fmt::Write as _;

use metricd_core::{
    schema::ColumnKind,
    sql::{TableName, quoted_text},
};

use crate::{
    identifiers::identifier,
    lexicon::{Aggregate, Bucket, Direction},
    periods::Period,
    plan::{Condition, Dimension, Form, Measure, Part, Plan},
    tokens::words_of,
};

/// The limit on the characters of the sentence in the leading comment.
const TITLE_CHARS: usize = 120;

/// The default row limit of a list.
const LIST_ROWS: u32 = 1_000;

/// Writes the query of a plan.
pub(crate) fn write(plan: &Plan<'_, '_>, prompt: &str) -> String {
    let writer = Writer::of(plan);
    let title: String = prompt.chars().filter(|c| !c.is_control()).take(TITLE_CHARS).collect();
    format!("-- {}\n{}", title.trim(), writer.query())
}

/// A plan with the names of its tables.
struct Writer<'w, 'p, 'a> {
    plan: &'w Plan<'p, 'a>,
    /// The joined tables, each after the one that refers to it.
    joined: Vec<usize>,
    /// The name of each table of the scope in the query.
    aliases: Vec<String>,
}

impl<'w, 'p, 'a> Writer<'w, 'p, 'a> {
    fn of(plan: &'w Plan<'p, 'a>) -> Self {
        let mut names = Names::default();
        let tables = plan.scope.tables.iter();
        let aliases =
            tables.map(|table| names.distinct(&table.vocabulary.table.name.name)).collect();
        Self { plan, joined: plan.joined(), aliases }
    }

    fn query(&self) -> String {
        let (outputs, tail) = match &self.plan.form {
            Form::List { columns, is_distinct } => self.list(columns, *is_distinct),
            Form::Groups | Form::GroupNames | Form::GroupCount => self.groups(),
        };
        let mut conditions: Vec<String> =
            self.plan.conditions.iter().map(|condition| self.predicate(condition)).collect();
        conditions.extend(self.window());
        let mut sql = format!("SELECT {}\nFROM {}", outputs.join(",\n    "), self.from());
        if !conditions.is_empty() {
            sql.push_str("\nWHERE ");
            sql.push_str(&conditions.join("\n  AND "));
        }
        sql += &tail;
        if self.plan.form == Form::GroupCount {
            return format!("SELECT count(*) AS count\nFROM (\n{sql}\n) AS groups");
        }
        sql
    }

    /// Writes the tables. Each join is by a foreign key, to at most one row.
    fn from(&self) -> String {
        let scope = self.plan.scope;
        let table = |index: usize| {
            let name = table_name(&scope.tables[index].vocabulary.table.name);
            let alias = identifier(&self.aliases[index]);
            if name == alias || self.joined.is_empty() && index == 0 && !self.is_qualified() {
                name
            } else {
                format!("{name} AS {alias}")
            }
        };
        let mut from = table(0);
        let optional = self.plan.optional();
        for index in &self.joined {
            if let Some((column, reference)) = scope.tables[*index].via {
                // Writing to a String cannot fail.
                let _ = write!(
                    from,
                    "\n{} {} ON {} = {}",
                    if optional.contains(index) { "LEFT JOIN" } else { "JOIN" },
                    table(*index),
                    self.column(reference),
                    self.column(column)
                );
            }
        }
        from
    }

    /// Whether columns are written with their tables.
    fn is_qualified(&self) -> bool {
        let is_referred = |condition: &Condition| matches!(condition, Condition::Referred { .. });
        let parts = self.plan.part.iter().flat_map(Part::conditions);
        let mut conditions = self.plan.conditions.iter().chain(parts);
        !self.joined.is_empty() || conditions.any(is_referred)
    }

    fn column(&self, column: usize) -> String {
        let name = identifier(&self.plan.scope.column(column).name);
        if !self.is_qualified() {
            return name;
        }
        let table = self.plan.scope.table_of(column);
        format!("{}.{name}", identifier(&self.aliases[table]))
    }

    /// Returns the columns and the tail of a list.
    fn list(&self, columns: &[usize], is_distinct: bool) -> (Vec<String>, String) {
        let all = 0..self.plan.scope.base().table.columns.len();
        let shown = if columns.is_empty() { all.collect() } else { columns.to_vec() };
        let mut names = Names::default();
        let mut outputs: Vec<String> = shown
            .iter()
            .map(|column| {
                named(&self.column(*column), &names.distinct(&self.plan.scope.column(*column).name))
            })
            .collect();
        if is_distinct && let Some(first) = outputs.first_mut() {
            first.insert_str(0, "DISTINCT ");
        }
        let mut order = Vec::new();
        let rank = self.plan.ranking;
        if let Some(rank) = rank
            && let Some(column) =
                rank.column.filter(|column| !is_distinct || shown.contains(column))
        {
            order.push(ranked(&self.column(column), rank.direction));
        }
        order.push("1".to_owned());
        let limit = rank.and_then(|rank| rank.limit).unwrap_or(LIST_ROWS);
        (outputs, format!("\nORDER BY {}\nLIMIT {limit}", order.join(", ")))
    }

    /// Returns the columns and the tail of an aggregation.
    fn groups(&self) -> (Vec<String>, String) {
        let plan = self.plan;
        let mut outputs = Vec::new();
        let mut names = Names::default();
        for group in &plan.dimensions {
            let (expression, name) = match group {
                Dimension::Time(bucket) => (self.time(*bucket), bucket.as_str()),
                Dimension::Column(column) => {
                    (self.column(*column), plan.scope.column(*column).name.as_str())
                }
            };
            outputs.push(named(&expression, &names.distinct(name)));
        }
        let groups = outputs.len();
        let mut measures = Vec::new();
        for measure in &plan.measures {
            let (expression, name) = match &plan.part {
                Some(Part::Percent(of)) => (self.share(*measure, of), "percent".to_owned()),
                Some(Part::Ratio(part, of)) => (self.ratio(*measure, part, of), "ratio".to_owned()),
                None => (self.measured(*measure, ""), self.measure_name(*measure)),
            };
            measures.push((expression, names.distinct(&name)));
        }
        let rank_by = match (&plan.form, measures.first()) {
            (Form::Groups, _) | (_, None) => (groups + 1).to_string(),
            (_, Some((expression, _))) => expression.clone(),
        };
        if plan.form == Form::Groups {
            outputs.extend(measures.iter().map(|(expression, name)| named(expression, name)));
        }
        let mut tail = String::new();
        if groups > 0 {
            self.grouping(&mut tail, groups, &rank_by);
        }
        (outputs, tail)
    }

    fn grouping(&self, tail: &mut String, groups: usize, rank_by: &str) {
        let plan = self.plan;
        let ordinals: Vec<String> = (1..=groups).map(|number| number.to_string()).collect();
        let keys = plan.keys.iter().map(|key| self.column(*key));
        let all: Vec<String> = ordinals.iter().cloned().chain(keys).collect();
        let _ = write!(tail, "\nGROUP BY {}", all.join(", "));
        if let Some((comparison, number)) = &plan.having {
            let measure = plan.measures.first().copied().unwrap_or(Measure::Rows);
            let measure = self.measured(measure, "");
            let _ = write!(tail, "\nHAVING {measure} {} {number}", comparison.operator());
        }
        if plan.form == Form::GroupCount {
            return;
        }
        let is_time = |group: &Dimension| matches!(group, Dimension::Time(_));
        let mut order = ordinals.clone();
        if let Some(rank) = plan.ranking {
            order.insert(0, ranked(rank_by, rank.direction));
        } else if let Some(at) = plan.dimensions.iter().position(is_time) {
            let time = order.remove(at);
            order.insert(0, time);
        } else {
            order.insert(0, ranked(rank_by, Direction::Highest));
        }
        let _ = write!(tail, "\nORDER BY {}", order.join(", "));
        if let Some(limit) = plan.ranking.and_then(|rank| rank.limit) {
            let _ = write!(tail, "\nLIMIT {limit}");
        }
    }

    /// Writes a measure, with an optional `FILTER` clause.
    fn measured(&self, measure: Measure, filter: &str) -> String {
        let call = match measure {
            Measure::Rows => "count(*)".to_owned(),
            Measure::Distinct(column) => format!("count(DISTINCT {})", self.column(column)),
            Measure::Of(Aggregate::Median, column) => {
                format!("percentile_cont(0.5) WITHIN GROUP (ORDER BY {})", self.column(column))
            }
            Measure::Of(aggregate, column) => {
                let function = match aggregate {
                    Aggregate::Sum => "sum",
                    Aggregate::Average | Aggregate::Median => "avg",
                    Aggregate::Minimum => "min",
                    Aggregate::Maximum => "max",
                };
                format!("{function}({})", self.column(column))
            }
        };
        format!("{call}{filter}")
    }

    fn measure_name(&self, measure: Measure) -> String {
        let word = |column: usize| words_of(&self.plan.scope.column(column).name).join("_");
        match measure {
            Measure::Rows => "count".to_owned(),
            Measure::Distinct(column) => format!("distinct_{}", word(column)),
            Measure::Of(aggregate, column) => {
                let kind = match aggregate {
                    Aggregate::Sum => "total",
                    Aggregate::Average => "average",
                    Aggregate::Median => "median",
                    Aggregate::Minimum => "lowest",
                    Aggregate::Maximum => "highest",
                };
                let word = word(column);
                if word.starts_with(kind) { word } else { format!("{kind}_{word}") }
            }
        }
    }

    /// Writes the `FILTER` clause of some conditions.
    fn filter(&self, conditions: &[Condition]) -> String {
        if conditions.is_empty() {
            return String::new();
        }
        let conditions: Vec<String> =
            conditions.iter().map(|condition| self.predicate(condition)).collect();
        format!(" FILTER (WHERE {})", conditions.join(" AND "))
    }

    /// Writes a share in percent: of the rows that match `of`, or, if that is empty, of each group in the
    /// total.
    fn share(&self, measure: Measure, of: &[Condition]) -> String {
        let whole = self.measured(measure, "");
        let (part, whole) = if of.is_empty() {
            (whole.clone(), format!("sum({whole}) OVER ()"))
        } else {
            (format!("coalesce({}, 0)", self.measured(measure, &self.filter(of))), whole)
        };
        format!("round(CAST(100.0 * {part} / nullif({whole}, 0) AS numeric), 2)")
    }

    /// Writes a ratio of two counts.
    fn ratio(&self, measure: Measure, part: &[Condition], of: &[Condition]) -> String {
        let (part, of) =
            (self.measured(measure, &self.filter(part)), self.measured(measure, &self.filter(of)));
        format!("CAST({part} AS numeric) / nullif({of}, 0)")
    }

    /// Writes the first day of a row's time bucket.
    fn time(&self, bucket: Bucket) -> String {
        let Some(date) = self.plan.date else {
            return "NULL".to_owned();
        };
        let column = self.column(date);
        let is_day = self.plan.scope.kind(date) == ColumnKind::Date;
        match bucket {
            Bucket::Day if is_day => column,
            Bucket::Day => format!("CAST({column} AS date)"),
            bucket => format!("CAST(date_trunc('{}', {column}) AS date)", bucket.as_str()),
        }
    }

    fn predicate(&self, condition: &Condition) -> String {
        let name = |column: &usize| self.column(*column);
        match condition {
            Condition::Values { column, values, negated } => {
                let column = name(column);
                let list: Vec<String> = values.iter().map(|value| quoted_text(value)).collect();
                match (list.as_slice(), negated) {
                    ([value], false) => format!("{column} = {value}"),
                    // A null is none of the excluded values.
                    ([value], true) => format!("{column} IS DISTINCT FROM {value}"),
                    (list, false) => format!("{column} IN ({})", list.join(", ")),
                    (list, true) => {
                        format!("({column} NOT IN ({}) OR {column} IS NULL)", list.join(", "))
                    }
                }
            }
            Condition::Flag { column, negated: false } => format!("{} IS TRUE", name(column)),
            Condition::Flag { column, negated: true } => format!("{} IS NOT TRUE", name(column)),
            Condition::Number { column, comparison, number } => {
                format!("{} {} {number}", name(column), comparison.operator())
            }
            Condition::Range { column, low, high } => {
                format!("{} BETWEEN {low} AND {high}", name(column))
            }
            Condition::AgainstAverage { column, comparison } => format!(
                "{} {} (SELECT avg({}) FROM {})",
                name(column),
                comparison.operator(),
                identifier(&self.plan.scope.column(*column).name),
                table_name(&self.plan.scope.base().table.name)
            ),
            Condition::Missing { column, negated: false } => format!("{} IS NULL", name(column)),
            Condition::Missing { column, negated: true } => format!("{} IS NOT NULL", name(column)),
            Condition::Filled { column, negated: false } => format!("{} <> 0", name(column)),
            Condition::Filled { column, negated: true } => {
                format!("coalesce({}, 0) = 0", name(column))
            }
            Condition::Weekend(column) => format!("extract(isodow FROM {}) > 5", name(column)),
            Condition::Referred { child, negated, window } => {
                self.referred(*child, *negated, *window)
            }
            Condition::Alert(columns) => {
                let present: Vec<String> =
                    columns.iter().map(|column| format!("{} IS NOT NULL", name(column))).collect();
                format!("({})", present.join(" OR "))
            }
        }
    }

    /// Writes whether a row of another table refers to the row.
    fn referred(&self, child: usize, negated: bool, dated: Option<(usize, Period)>) -> String {
        let child = &self.plan.scope.children[child];
        let not = if negated { "NOT " } else { "" };
        let mut conditions =
            vec![format!("referring.{} = {}", identifier(child.column), self.column(child.key))];
        if let Some((date, period)) = dated {
            let date = identifier(&child.vocabulary.table.columns[date].name);
            conditions.extend(window(&format!("referring.{date}"), Some(period)));
        }
        format!(
            "{not}EXISTS (SELECT 1 FROM {} AS referring WHERE {})",
            table_name(&child.vocabulary.table.name),
            conditions.join(" AND ")
        )
    }

    /// Writes the conditions on the date column. Callers can override either end, or the number of days.
    fn window(&self) -> Vec<String> {
        match self.plan.date {
            Some(date) => window(&self.column(date), self.plan.period),
            None => Vec::new(),
        }
    }
}

fn table_name(name: &TableName) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    }
}

fn ranked(expression: &str, direction: Direction) -> String {
    let order = match direction {
        Direction::Highest => "DESC",
        Direction::Lowest => "ASC",
    };
    format!("{expression} {order} NULLS LAST")
}

fn named(expression: &str, name: &str) -> String {
    let name = identifier(name);
    if expression == name { name } else { format!("{expression} AS {name}") }
}

/// Writes the conditions on a column of dates.
fn window(column: &str, period: Option<Period>) -> Vec<String> {
    let day = |day: chrono::NaiveDate| quoted_text(&day.to_string());
    let from = |default: String| format!("{column} >= coalesce(:start_date, {default})");
    let through = |default: String| format!("{column} < coalesce(:end_date, {default}) + 1");
    let from_usual = || format!("{column} >= :start_date");
    let through_today = || format!("{column} < :end_date + 1");
    let moved = |of: &str, moved: String| format!("CAST({of}{moved} AS date)");
    let start_of = |unit: Bucket| format!("date_trunc('{}', CURRENT_DATE)", unit.as_str());
    match period {
        None => vec![from_usual(), through_today()],
        Some(Period::Fixed(first, last)) => {
            let next = last.succ_opt().unwrap_or(last);
            vec![format!("{column} >= {}", day(first)), format!("{column} < {}", day(next))]
        }
        Some(Period::LastDays(days)) => {
            vec![
                format!("{column} >= CURRENT_DATE - {days}"),
                format!("{column} < CURRENT_DATE + 1"),
            ]
        }
        Some(Period::LastMonths(months)) => {
            vec![
                from(moved("CURRENT_DATE", format!(" - {}", interval(months, "month")))),
                through_today(),
            ]
        }
        Some(Period::Whole { unit: Bucket::Day, back }) => {
            let day = if back == 0 {
                "CURRENT_DATE".to_owned()
            } else {
                format!("CURRENT_DATE - {back}")
            };
            vec![from(day.clone()), through(day)]
        }
        Some(Period::Whole { unit, back }) => {
            let (count, word) = match unit {
                Bucket::Quarter => (3, "month"),
                Bucket::Day | Bucket::Week => (1, "week"),
                Bucket::Month => (1, "month"),
                Bucket::Year => (1, "year"),
            };
            let by = |units: u32, sign: &str| match units {
                0 => String::new(),
                units => format!(" {sign} {}", interval(units * count, word)),
            };
            let next = if back == 0 { by(1, "+") } else { by(back - 1, "-") };
            let last = format!("{} - 1", moved(&start_of(unit), next));
            vec![from(moved(&start_of(unit), by(back, "-"))), through(last)]
        }
        Some(Period::ToDate(unit)) => {
            vec![from(moved(&start_of(unit), String::new())), through_today()]
        }
        Some(Period::Since(first)) => vec![from(day(first)), through_today()],
        Some(Period::Until(last)) => vec![through(day(last))],
        Some(Period::UntilToday) => vec![through_today()],
        Some(Period::AllTime) => Vec::new(),
    }
}

fn interval(count: u32, unit: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("INTERVAL '{count} {unit}{plural}'")
}

/// The names of the output columns, kept distinct.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    fn distinct(&mut self, name: &str) -> String {
        // PostgreSQL truncates names to 63 bytes: the number must fit within.
        let name = &name[..name.floor_char_boundary(56)];
        let mut candidate = name.to_owned();
        let mut number = 2;
        while self.0.contains(&candidate) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        self.0.push(candidate.clone());
        candidate
    }
}
