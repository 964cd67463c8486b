//! The template that a query compiles to.
//!
//! Never holds a value: values are bound anew for each request.

use std::collections::BTreeSet;

use pg_query::{Node, NodeEnum};

use super::{
    error::{SqlError, SqlFault, line_and_column},
    estimates::ParameterKind,
    grammar,
    notes::NoteSeverity,
    parameter::{BoundValue, Parameter, ParameterSource},
    sizes, stack,
    table_name::TableName,
    tree::{param, param_number, target},
    walk::{Visitor, walk},
};
use crate::{
    claim::{ClaimName, Scope, ScopeFault},
    parameters::Parameters,
    window::Slots,
};

/// A compiled query: one SELECT whose `$n` are bound from [`Parameters`] and a [`Scope`].
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The statement, with `$1` … `$n` for [`Self::parameters`], as PostgreSQL's grammar prints it.
    pub sql: String,
    /// One for each `$n`, in order.
    pub parameters: Vec<Parameter>,
    /// What a caller may vary, and the defaults.
    pub slots: Slots,
    /// The claims that the caller's token fills; no caller can vary them.
    pub claims: BTreeSet<ClaimName>,
    /// The tables and views that the statement reads.
    pub tables: BTreeSet<TableName>,
    /// What became a slot, what did not, and why; for the author.
    pub notes: Vec<SlotNote>,
}

/// A note for the author on one date, number of days or placeholder of the SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotNote {
    /// Line in the author's SQL, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Whether it became a slot.
    pub is_slot: bool,
    /// How serious it is.
    pub severity: NoteSeverity,
    /// Whether it is about literal days beside the date of the built-in records, where it holds only if
    /// records have a time of day.
    pub of_records: bool,
    /// What it is and why, as a sentence.
    pub message: String,
}

impl SlotNote {
    /// Creates a note on what stands at the byte `offset` of `sql` and is no slot.
    #[must_use]
    pub fn at(sql: &str, offset: usize, message: String) -> Self {
        let (line, column) = line_and_column(sql, offset);
        let severity = NoteSeverity::Info;
        Self { line, column, is_slot: false, severity, of_records: false, message }
    }
}

impl Template {
    /// Returns the values of `$1` … `$n`, for parameters that were resolved against this template's slots
    /// and the scope of a caller.
    ///
    /// # Errors
    /// When the scope lacks a claim: it was made for another template.
    pub fn bind(
        &self,
        parameters: &Parameters,
        scope: &Scope,
    ) -> Result<Vec<BoundValue>, ScopeFault> {
        // Collecting into a `Result` would grow the list step by step.
        let mut values = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            values.push(parameter.bind(parameters, scope)?);
        }
        Ok(values)
    }

    /// Whether the statement makes a large value of constants, which PostgreSQL would keep with it.
    #[must_use]
    pub fn makes_large_values(&self) -> bool {
        let makes = || {
            let mut tree = grammar::parse_printed(&self.sql).ok()?;
            let kinds: Vec<_> =
                self.parameters.iter().map(|p| ParameterKind::of(&p.source)).collect();
            Some(sizes::makes_large_values(&mut tree, &kinds))
        };
        stack::deep(&self.sql, || Ok::<_, SqlFault>(makes())).ok().flatten().unwrap_or_default()
    }

    /// Returns the same statement for the planner alone: each claim is replaced by a value that only a run
    /// finds out, so that the estimate is the same for every caller.
    ///
    /// # Errors
    /// When the SQL does not parse: it was damaged in the database, say.
    pub fn with_unknown_claims(&self) -> Result<Self, SqlError> {
        let unknown = stack::deep(&self.sql, || unknown_claims(self));
        let (sql, parameters) = unknown.map_err(|fault| fault.in_text(&self.sql))?;
        Ok(Self { sql, parameters, claims: BTreeSet::new(), ..self.clone() })
    }
}

fn unknown_claims(template: &Template) -> Result<(String, Vec<Parameter>), SqlFault> {
    let mut tree = grammar::parse_printed(&template.sql)?;
    // The planner does not look into a subquery, even if it is a constant.
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

/// Returns the expression of the first column.
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
    fn replace(&mut self, node: &mut Node) -> Result<(), SqlFault> {
        let index = param_number(node).and_then(|number| usize::try_from(number - 1).ok());
        match index.and_then(|index| self.numbers.get(index)) {
            Some(Some(number)) => *node = param(*number, -1),
            Some(None) => *node = self.unknown.clone(),
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
}
