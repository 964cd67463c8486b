//! The gate: whether a query may run, by the lists that come with metricd and an operator's additions.
//!
//! Never asks the database: [`Contents`] says what the caller has to ask it.

use std::{collections::BTreeSet, sync::Arc};

use pg_query::Node;

use super::{
    additions::{Additions, GateExtension},
    error::{SqlError, SqlFault},
    estimates::ParameterKind,
    fields::FieldName,
    grammar,
    inspection::{Inspected, inspect},
    lists::LISTS,
    operators::OperatorUse,
    qualified::{CATALOG, PUBLIC, written},
    stack,
    table_name::TableName,
    template::Template,
};

/// The rules for what a query may hold: the lists that come with metricd, and an operator's additions.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    additions: Arc<Additions>,
}

impl Gate {
    /// Returns the lists that come with metricd, with `extension` added.
    ///
    /// # Errors
    /// One sentence for each entry that cannot be added.
    pub fn extended(extension: &GateExtension) -> Result<Self, Vec<String>> {
        Ok(Self { additions: Arc::new(Additions::parse(extension)?) })
    }

    /// Whether a query may read a table, where no grants of the database decide it: those of
    /// `public` and an operator's additions.
    #[must_use]
    pub fn allows_table(&self, table: &TableName) -> bool {
        table.schema() == PUBLIC || self.additions.has_table(table)
    }

    /// Checks a stored template again, and returns what it refers to.
    ///
    /// # Errors
    /// When it holds anything that a query may not hold now. Positions are those of the template.
    pub fn recheck(&self, template: &Template) -> Result<Contents, SqlError> {
        stack::deep(&template.sql, || self.recheck_on_this_stack(template))
            .map_err(|fault| fault.in_text(&template.sql))
    }

    /// As [`Self::recheck`], for a caller whose stack is deep enough.
    pub(super) fn recheck_on_this_stack(&self, template: &Template) -> Result<Contents, SqlFault> {
        let mut tree = grammar::parse_printed(&template.sql)?;
        let kinds: Vec<_> =
            template.parameters.iter().map(|p| ParameterKind::of(&p.source)).collect();
        let Inspected { tables, fields, operators } = self.inspect(&mut tree, &kinds)?;
        Ok(Contents {
            tables,
            fields: fields.in_text(&template.sql),
            operators: operators.in_text(&template.sql),
        })
    }

    pub(super) fn inspect(
        &self,
        tree: &mut Node,
        parameters: &[ParameterKind],
    ) -> Result<Inspected, SqlFault> {
        inspect(&self.additions, tree, parameters)
    }

    /// Checks a name after a dot against everything that PostgreSQL could call by it.
    ///
    /// # Errors
    /// When a query may not call one of them. The position is that of `field`.
    pub fn check_field(&self, field: &FieldName, callable: &[Callable]) -> Result<(), SqlError> {
        let Some(called) = callable.iter().find(|called| !self.may_call(called)) else {
            return Ok(());
        };
        let name = written(Some(&called.schema), &called.name);
        let (what, setting) = match called.kind {
            CallableKind::Function => (format!("calls the function {name}()"), "sql.functions"),
            CallableKind::Type => (format!("casts to the type {name}"), "sql.types"),
        };
        let reason = LISTS.refused_field(&called.name);
        let why = reason.map_or("which is not allowed in queries".to_owned(), |reason| {
            format!("which can never be called here: {reason}")
        });
        Err(SqlError {
            message: format!(
                "without a column {} of a table or subquery that is named here it {what}, {why}",
                field.name
            ),
            line: field.line,
            column: field.column,
            hint: match reason {
                Some(_) => None,
                None => Some(format!("an operator can allow it with {setting} in the settings")),
            },
        })
    }

    /// Checks what the operators of a query may mean outside `pg_catalog`.
    ///
    /// # Errors
    /// When one of them is not allowed. The position is that of its use.
    pub fn check_operators(
        &self,
        used: &[OperatorUse],
        found: &[ForeignOperator],
    ) -> Result<(), SqlError> {
        let may_use = |operator: &&ForeignOperator| {
            self.additions.has_operator(Some(&operator.schema), &operator.name)
                || operator.extension.as_ref().is_some_and(|of| self.additions.has_extension(of))
        };
        let Some(operator) = found.iter().find(|operator| !may_use(operator)) else {
            return Ok(());
        };
        let ForeignOperator { schema, name, operands, extension } = operator;
        let place = used.iter().find(|used| used.name == *name);
        let allow = extension.clone().unwrap_or_else(|| format!("{schema}.{name}"));
        Err(SqlError {
            message: format!(
                "{name} can mean the operator {schema}.{name} ({operands}) here, which runs a function that is not \
                 PostgreSQL's"
            ),
            line: place.map_or(1, |place| place.line),
            column: place.map_or(1, |place| place.column),
            hint: Some(format!(
                "write OPERATOR(pg_catalog.{name}), or have an operator allow it with sql.operators = ['{allow}']"
            )),
        })
    }

    fn may_call(&self, called: &Callable) -> bool {
        let (schema, name) = (Some(called.schema.as_str()), called.name.as_str());
        if schema == Some(CATALOG) {
            return LISTS.functions.has(name) || LISTS.types.has(name) || LISTS.columns.has(name);
        }
        self.additions.has_type(schema, name)
            || (called.kind == CallableKind::Function && self.additions.has_function(schema, name))
    }
}

/// Returns the names of PostgreSQL's own types that a query may cast to.
#[must_use]
pub fn listed_types() -> Vec<&'static str> {
    LISTS.types.whole().collect()
}

/// The references of a query that only the database can judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The tables and views that it reads.
    pub tables: BTreeSet<TableName>,
    /// The names after its dots that may be calls.
    pub fields: Vec<FieldName>,
    /// The operators that it names without a schema.
    pub operators: Vec<OperatorUse>,
}

/// An operator outside `pg_catalog` that an operator of a query may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignOperator {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// The types of its operands, for a message.
    pub operands: String,
    /// The extension that it comes with.
    pub extension: Option<String>,
}

/// A function or type in the database that `x.name` can call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callable {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: CallableKind,
}

/// The kinds of thing that `x.name` can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallableKind {
    /// A function of one argument.
    Function,
    /// A type, as a cast.
    Type,
}
