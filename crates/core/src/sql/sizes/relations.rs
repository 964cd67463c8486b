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
    /// These, and no other.
    Named(Vec<(String, Value)>),
}

impl Columns {
    fn get(&self, name: &str) -> Option<Value> {
        match self {
            Self::Any(value) => Some(*value),
            Self::Named(columns) => {
                let same = columns.iter().filter(|(column, _)| column == name);
                same.map(|(_, value)| *value).reduce(|a, b| Value::any(&[a, b]))
            }
        }
    }

    /// A whole row.
    pub(super) fn row(&self) -> Value {
        match self {
            Self::Any(value) => *value,
            Self::Named(columns) => {
                let values: Vec<_> = columns.iter().map(|(_, value)| *value).collect();
                Value::sum(&values)
            }
        }
    }

    /// The same columns by other names, as far as there are names.
    pub(super) fn renamed<'a>(self, names: impl Iterator<Item = &'a str>) -> Self {
        match self {
            Self::Any(value) => Self::Any(value),
            Self::Named(mut columns) => {
                for ((name, _), new) in columns.iter_mut().zip(names) {
                    new.clone_into(name);
                }
                Self::Named(columns)
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

    /// What a name by itself means: a column, or the row of a relation.
    pub(super) fn column(&self, name: &str) -> Value {
        for frame in self.frames.iter().rev() {
            let known = frame.iter().filter(|r| matches!(r.columns, Columns::Named(_)));
            let known: Vec<_> = known.filter_map(|relation| relation.columns.get(name)).collect();
            if !known.is_empty() {
                return Value::any(&known).fenced_as(&known);
            }
            if let Some(relation) = frame.iter().find(|relation| relation.name == name) {
                return relation.columns.row();
            }
            let any: Vec<_> = frame.iter().filter_map(|r| r.columns.get(name)).collect();
            if !any.is_empty() {
                return Value::any(&any).fenced_as(&any);
            }
        }
        Value::ONE
    }

    /// What `relation.name` means; `None` if there is no such relation.
    pub(super) fn qualified(&self, relation: &str, name: &str) -> Option<Value> {
        let columns = self.columns_of(relation)?;
        Some(columns.get(name).unwrap_or_else(|| columns.row()))
    }

    pub(super) fn columns_of(&self, relation: &str) -> Option<&Columns> {
        let mut frames = self.frames.iter().rev();
        let found = frames.find_map(|frame| frame.iter().find(|r| r.name == relation));
        found.map(|relation| &relation.columns)
    }
}

impl Value {
    /// One of `all`, of which a name means exactly one: it has no more parts than the largest.
    fn fenced_as(self, all: &[Self]) -> Self {
        Self { parts: all.iter().map(|value| value.parts).fold(1.0, f64::max), ..self }
    }
}
