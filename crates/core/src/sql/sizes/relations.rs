//! The relations that the expressions of a statement refer to, with the sizes of their columns.
//!
//! In doubt a name means the largest of what it can mean.

use super::value::Value;

/// What FROM gives a name.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) name: String,
    pub(super) columns: Columns,
}

/// The columns of a relation.
#[derive(Debug, Clone)]
pub(super) enum Columns {
    /// Any name is a column of this size.
    Any(Value),
    /// These, and if there are others, they are of this size.
    Named(Vec<(String, Value)>, Option<Value>),
}

impl Columns {
    fn get(&self, name: &str) -> Option<Value> {
        match self {
            Self::Any(value) => Some(*value),
            Self::Named(columns, others) => {
                let same = columns.iter().filter(|(column, _)| column == name);
                same.map(|(_, value)| *value).chain(*others).reduce(one_of)
            }
        }
    }

    /// A whole row.
    pub(super) fn row(&self) -> Value {
        match self {
            Self::Any(value) => *value,
            Self::Named(columns, others) => {
                let values: Vec<_> =
                    columns.iter().map(|(_, value)| *value).chain(*others).collect();
                Value::sum(&values)
            }
        }
    }

    /// The same columns by other names, as far as there are names.
    pub(super) fn renamed<'a>(self, names: impl Iterator<Item = &'a str>) -> Self {
        let mut names = names.peekable();
        if names.peek().is_none() {
            return self;
        }
        match self {
            Self::Any(value) => Self::Any(value),
            // Of how many columns a `*` is, and where, is not known.
            Self::Named(columns, others @ Some(_)) => {
                let values = columns.into_iter().map(|(_, value)| value).chain(others);
                Self::Named(Vec::new(), values.reduce(one_of))
            }
            Self::Named(mut columns, None) => {
                for ((name, _), new) in columns.iter_mut().zip(names) {
                    new.clone_into(name);
                }
                Self::Named(columns, None)
            }
        }
    }
}

/// A statement that WITH has named.
#[derive(Debug)]
pub(super) struct Cte {
    pub(super) name: String,
    pub(super) columns: Columns,
    /// The relations that the planner has for each reference to it.
    pub(super) relations: f64,
    /// Whether it is planned once, however often it is referred to.
    pub(super) is_planned_once: bool,
    /// Whether it was referred to.
    pub(super) is_planned: bool,
    /// Whether it is written further on.
    pub(super) is_later: bool,
}

impl Cte {
    /// One that is planned by itself.
    pub(super) fn once(name: &str, columns: Columns) -> Self {
        Self {
            name: name.to_owned(),
            columns,
            relations: 1.0,
            is_planned_once: true,
            is_planned: false,
            is_later: false,
        }
    }
}

/// What names can mean at one place of a statement.
#[derive(Debug, Default)]
pub(super) struct NamesInScope {
    /// The relations of the SELECTs under way, outermost first.
    frames: Vec<Vec<Relation>>,
    ctes: Vec<Cte>,
}

impl NamesInScope {
    /// Begins a SELECT.
    pub(super) fn open(&mut self) {
        self.frames.push(Vec::new());
    }

    /// Ends it.
    pub(super) fn close(&mut self) {
        self.frames.pop();
    }

    /// Adds a relation to the SELECT begun last.
    pub(super) fn add(&mut self, relation: Relation) {
        if let Some(frame) = self.frames.last_mut() {
            frame.push(relation);
        }
    }

    /// The relations of the SELECT begun last.
    pub(super) fn relations(&self) -> &[Relation] {
        self.frames.last().map_or(&[], Vec::as_slice)
    }

    pub(super) fn add_cte(&mut self, cte: Cte) {
        self.ctes.push(cte);
    }

    pub(super) fn ctes(&self) -> usize {
        self.ctes.len()
    }

    /// Forgets all but the first `count` statements of WITH.
    pub(super) fn forget_ctes(&mut self, count: usize) {
        self.ctes.truncate(count);
    }

    pub(super) fn cte(&mut self, name: &str) -> Option<&mut Cte> {
        self.ctes.iter_mut().rev().find(|cte| cte.name == name)
    }

    /// What a name by itself means: a column, or the row of a relation. A table may lack the column, or not be seen
    /// from here, and a statement further out have it.
    pub(super) fn column(&self, name: &str) -> Value {
        let mut meant = None;
        for frame in self.frames.iter().rev() {
            let row = frame.iter().filter(|relation| relation.name == name);
            let columns = frame.iter().filter_map(|relation| relation.columns.get(name));
            meant = row
                .map(|relation| relation.columns.row())
                .chain(columns)
                .chain(meant)
                .reduce(one_of);
        }
        meant.unwrap_or(Value::ONE)
    }

    /// What `relation.name` means; `None` if there is no such relation. One further in may be hidden by a join's name.
    pub(super) fn qualified(&self, relation: &str, name: &str) -> Option<Value> {
        let all = self.frames.iter().flatten().filter(|of| of.name == relation);
        let value = |of: &Relation| of.columns.get(name).unwrap_or_else(|| of.columns.row());
        all.map(value).reduce(one_of)
    }

    pub(super) fn columns_of(&self, relation: &str) -> Option<&Columns> {
        let mut frames = self.frames.iter().rev();
        let found = frames.find_map(|frame| frame.iter().find(|r| r.name == relation));
        found.map(|relation| &relation.columns)
    }
}

/// One of two of which a name means one: it has no more parts than the larger.
fn one_of(one: Value, other: Value) -> Value {
    Value { parts: one.parts.max(other.parts), ..Value::any(&[one, other]) }
}
