//! The scope of a question about one table: the table itself, and those that its foreign keys lead to.
//!
//! Must never hold a table whose rows would multiply those of the first one: every join is to at most
//! one row.

use std::collections::{HashMap, HashSet};

use metricd_core::{
    schema::{ColumnKind, ForeignKey, TableColumn},
    sql::TableName,
};

use crate::{
    tokens::{Token, stem, words_of},
    vocabulary::{CORE, Name, Vocabulary},
};

/// How many foreign keys lead to the last table.
const MAX_DEPTH: u32 = 2;

/// The most tables of a scope.
const MAX_TABLES: usize = 12;

/// The table that is asked about with those that it refers to. Their columns are numbered on from each
/// other.
pub(crate) struct TableScope<'a> {
    /// The table that is asked about is the first.
    pub(crate) tables: Vec<ScopeTable<'a>>,
    /// The tables that refer to it, each by one foreign key.
    pub(crate) children: Vec<Child<'a>>,
    /// The columns that refer to tables to which several ways lead.
    unclear: Vec<usize>,
    all: &'a AllTables<'a>,
}

/// All tables that a question may be about, with what is asked of them again and again.
pub(crate) struct AllTables<'a> {
    vocabularies: &'a [Vocabulary<'a>],
    by_name: HashMap<&'a TableName, usize>,
    /// The stems of names that are one word.
    words: HashSet<String>,
    /// The stems of the last words of names.
    heads: HashSet<String>,
}

impl<'a> AllTables<'a> {
    pub(crate) fn of(vocabularies: &'a [Vocabulary<'a>]) -> Self {
        let mut all = Self {
            vocabularies,
            by_name: HashMap::new(),
            words: HashSet::new(),
            heads: HashSet::new(),
        };
        for (index, vocabulary) in vocabularies.iter().enumerate() {
            let head = stem(&vocabulary.head());
            if vocabulary.modifiers.is_empty() {
                all.words.insert(head.clone());
            }
            all.heads.insert(head);
            all.by_name.insert(&vocabulary.table.name, index);
        }
        all
    }

    fn named(&self, name: &TableName) -> Option<&'a Vocabulary<'a>> {
        self.by_name.get(name).map(|index| &self.vocabularies[*index])
    }
}

pub(crate) struct ScopeTable<'a> {
    pub(crate) vocabulary: &'a Vocabulary<'a>,
    /// The column that refers to it, and its own column that is referred to.
    pub(crate) via: Option<(usize, usize)>,
    pub(crate) depth: u32,
    first: usize,
}

/// A table whose rows refer to those of the table that is asked about.
pub(crate) struct Child<'a> {
    pub(crate) vocabulary: &'a Vocabulary<'a>,
    /// Its column that refers.
    pub(crate) column: &'a str,
    /// The column that is referred to.
    pub(crate) key: usize,
}

/// What a name of the scope refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    Base,
    /// Another table of the scope.
    Parent(usize),
    Child(usize),
    Column(usize),
    Value(usize, String),
    /// The first and last names of the rows of the table that is asked about.
    OfPerson,
}

/// A name of the scope that tokens begin with.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) taken: usize,
    pub(crate) quality: u32,
    pub(crate) is_literal: bool,
    pub(crate) depth: u32,
    pub(crate) meaning: Meaning,
}

impl<'a> TableScope<'a> {
    /// Returns the scope of the table at `base`.
    pub(crate) fn of(base: usize, all: &'a AllTables<'a>) -> Self {
        let base = &all.vocabularies[base];
        let mut scope = Self { tables: Vec::new(), children: Vec::new(), unclear: Vec::new(), all };
        scope.tables.push(ScopeTable { vocabulary: base, via: None, depth: 0, first: 0 });
        let ways = Ways::of(base, all);
        let mut from = 0;
        while from < scope.tables.len() {
            if scope.tables[from].depth < MAX_DEPTH {
                scope.add_parents(from, &ways);
            }
            from += 1;
        }
        let related = scope.tables.iter().filter(|table| table.depth > 0);
        let unclear = related.flat_map(|table| {
            let keys = table.vocabulary.table.foreign_keys.iter();
            let keys = keys.filter(|key| ways.are_several(&key.table)).filter_map(single);
            keys.filter_map(|(column, _)| Some(table.first + table.vocabulary.index_of(column)?))
        });
        scope.unclear = unclear.collect();
        let name = &base.table.name;
        for vocabulary in all.vocabularies.iter().filter(|other| other.table.name != *name) {
            let keys = vocabulary.table.foreign_keys.iter().filter(|key| key.table == *name);
            if let [(column, reference)] = keys.filter_map(single).collect::<Vec<_>>().as_slice()
                && let Some(key) = base.index_of(reference)
            {
                scope.children.push(Child { vocabulary, column, key });
            }
        }
        scope
    }

    fn add_parents(&mut self, from: usize, ways: &Ways<'a>) {
        let (vocabulary, depth) = (self.tables[from].vocabulary, self.tables[from].depth + 1);
        let keys = &vocabulary.table.foreign_keys;
        for key in keys {
            // Two keys to one table: a name of it does not say which row is meant.
            let is_only = keys.iter().filter(|other| other.table == key.table).count() == 1;
            let is_known = self.tables.iter().any(|table| table.vocabulary.table.name == key.table);
            let parent = self.all.named(&key.table);
            let Some((parent, (column, reference))) = parent.zip(single(key)) else {
                continue;
            };
            let found = vocabulary.index_of(column).zip(parent.index_of(reference));
            let is_unclear = depth > 1 && ways.are_several(&key.table);
            if !is_only || is_known || is_unclear || self.tables.len() >= MAX_TABLES {
                continue;
            }
            if let Some((column, reference)) = found {
                let first = self.columns();
                let via = Some((self.tables[from].first + column, first + reference));
                self.tables.push(ScopeTable { vocabulary: parent, via, depth, first });
            }
        }
    }

    /// Counts the columns of all tables.
    pub(crate) fn columns(&self) -> usize {
        self.tables.last().map_or(0, |last| last.first + last.vocabulary.table.columns.len())
    }

    /// Returns the vocabulary of the table that is asked about.
    pub(crate) fn base(&self) -> &'a Vocabulary<'a> {
        self.tables[0].vocabulary
    }

    /// Returns the index of a column's table.
    pub(crate) fn table_of(&self, column: usize) -> usize {
        self.tables.iter().rposition(|table| table.first <= column).unwrap_or(0)
    }

    /// Returns a column's vocabulary, with its index there.
    pub(crate) fn local(&self, column: usize) -> (&'a Vocabulary<'a>, usize) {
        let table = &self.tables[self.table_of(column)];
        (table.vocabulary, column - table.first)
    }

    pub(crate) fn column(&self, column: usize) -> &'a TableColumn {
        let (vocabulary, local) = self.local(column);
        &vocabulary.table.columns[local]
    }

    /// Whether the name of a column has one of these words.
    pub(crate) fn has_word(&self, column: usize, words: &[&str]) -> bool {
        words_of(&self.column(column).name).iter().any(|word| words.contains(&word.as_str()))
    }

    /// Whether the name of a column ends with one of these words.
    pub(crate) fn has_last_word(&self, column: usize, words: &[&str]) -> bool {
        words_of(&self.column(column).name)
            .last()
            .is_some_and(|word| words.contains(&word.as_str()))
    }

    /// Returns the other table that a column refers to.
    pub(crate) fn parent_of(&self, column: usize) -> Option<usize> {
        (1..self.tables.len()).find(|table| self.key_of(*table) == Some(column))
    }

    /// Returns the column that tells the rows of a table apart, as the rows of the first table refer to it.
    pub(crate) fn key_of(&self, table: usize) -> Option<usize> {
        self.tables[table].via.map(|(column, _)| column)
    }

    /// Returns the number of a table's column.
    pub(crate) fn numbered(&self, table: usize, local: usize) -> usize {
        self.tables[table].first + local
    }

    /// Returns the column that names a table's rows for people.
    pub(crate) fn display(&self, table: usize) -> Option<usize> {
        self.tables[table].vocabulary.display().map(|local| self.numbered(table, local))
    }

    pub(crate) fn kind(&self, column: usize) -> ColumnKind {
        self.column(column).kind
    }

    pub(crate) fn is_key(&self, column: usize) -> bool {
        let (vocabulary, local) = self.local(column);
        vocabulary.is_key(local)
    }

    pub(crate) fn is_date(&self, column: usize) -> bool {
        let (vocabulary, local) = self.local(column);
        vocabulary.is_date(local)
    }

    pub(crate) fn is_number(&self, column: usize) -> bool {
        self.kind(column) == ColumnKind::Number && !self.is_key(column)
    }

    pub(crate) fn is_text(&self, column: usize) -> bool {
        self.kind(column) == ColumnKind::Text
    }

    pub(crate) fn is_flag(&self, column: usize) -> bool {
        self.kind(column) == ColumnKind::Boolean
    }

    /// Whether a column is a number of the first table's rows that can be aggregated. A number of a table
    /// that they refer to would be counted for each of them.
    pub(crate) fn is_measure(&self, column: usize) -> bool {
        self.table_of(column) == 0 && self.is_number(column)
    }

    /// Whether a column refers to a table to which several ways lead.
    pub(crate) fn is_unclear(&self, column: usize) -> bool {
        self.unclear.contains(&column)
    }

    /// Whether a word is the name of a table, in reach or not.
    pub(crate) fn is_table(&self, token: &Token) -> bool {
        self.all.words.contains(&token.stem)
    }

    /// Whether a word is that for the rows of a table, in reach or not.
    pub(crate) fn is_rows(&self, token: &Token) -> bool {
        self.all.heads.contains(&token.stem)
    }

    /// Returns all names that `tokens` begin with.
    pub(crate) fn find(&self, tokens: &[Token]) -> Vec<Found> {
        let mut all = Vec::new();
        for (index, table) in self.tables.iter().enumerate() {
            for found in table.vocabulary.find(tokens) {
                let meaning = match found.name {
                    Name::OfPerson if index == 0 => Meaning::OfPerson,
                    Name::OfPerson => continue,
                    Name::Table if index == 0 => Meaning::Base,
                    Name::Table => Meaning::Parent(index),
                    Name::Column(column) => Meaning::Column(table.first + column),
                    Name::Value(column, value) => Meaning::Value(table.first + column, value),
                };
                // Parts of names and words of comments are sure enough for the first table alone.
                if index == 0 || found.quality >= CORE {
                    all.push(Found {
                        taken: found.taken,
                        quality: found.quality,
                        is_literal: found.is_literal,
                        depth: table.depth,
                        meaning,
                    });
                }
            }
        }
        for (index, child) in self.children.iter().enumerate() {
            let found = child.vocabulary.find(tokens).into_iter();
            for found in found.filter(|found| found.name == Name::Table && found.quality >= CORE) {
                all.push(Found {
                    taken: found.taken,
                    quality: found.quality,
                    is_literal: found.is_literal,
                    depth: 1,
                    meaning: Meaning::Child(index),
                });
            }
        }
        all
    }
}

/// The first foreign keys of the ways from a table to others: a check has the plant of its inspector and that of its run.
struct Ways<'a>(HashMap<&'a TableName, HashSet<&'a str>>);

impl<'a> Ways<'a> {
    /// How many foreign keys a way may have.
    const LONGEST: u32 = 4;

    fn of(base: &'a Vocabulary<'a>, all: &AllTables<'a>) -> Self {
        let mut ways = Self(HashMap::new());
        let keys: Vec<_> =
            base.table.foreign_keys.iter().filter(|key| single(key).is_some()).collect();
        // One key has one way on.
        for key in keys.iter().filter(|_| keys.len() > 1) {
            ways.follow(&key.columns[0], &key.table, all, 1);
        }
        ways
    }

    fn follow(&mut self, first: &'a str, to: &'a TableName, all: &AllTables<'a>, depth: u32) {
        if !self.0.entry(to).or_default().insert(first) || depth == Self::LONGEST {
            return;
        }
        let keys = all.named(to).into_iter().flat_map(|table| &table.table.foreign_keys);
        for key in keys {
            self.follow(first, &key.table, all, depth + 1);
        }
    }

    fn are_several(&self, to: &TableName) -> bool {
        self.0.get(to).is_some_and(|firsts| firsts.len() > 1)
    }
}

/// Returns the columns of a foreign key of one column.
fn single(key: &ForeignKey) -> Option<(&str, &str)> {
    match (key.columns.as_slice(), key.references.as_slice()) {
        ([column], [reference]) => Some((column, reference)),
        _ => None,
    }
}
