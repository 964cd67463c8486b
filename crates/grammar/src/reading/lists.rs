//! Lists: `names and ages of students`, `which orders were cancelled`, `customers and their countries`.

use super::{
    Parse,
    nouns::{Head, one},
};
use crate::{
    lexicon::Term,
    phrases::PhraseKind,
    plan::{Dimension, Form, Measure},
};

impl Parse<'_, '_, '_> {
    /// `stadium name and the number of concerts in each stadium`
    pub(super) fn pairs(&mut self) -> bool {
        self.asking();
        self.is_term(Term::Distinct);
        let columns = self.listed_columns();
        if columns.is_empty()
            || !(self.is_term(Term::And) || self.is_term(Term::With) || self.is_after_comma())
        {
            return false;
        }
        self.is_term(Term::With);
        self.articles();
        if !self.measure() {
            return false;
        }
        self.further_measures();
        // What is shown for each group is what groups are of.
        let is_shown = self.attempt(|parse| {
            if !parse.is_term(Term::By) {
                return false;
            }
            let target = parse.target().map(|(dimension, _)| dimension);
            let Some(Dimension::Column(key)) = target else {
                return false;
            };
            let of_group = |column: &usize| {
                *column == key || parse.scope.key_of(parse.scope.table_of(*column)) == Some(key)
            };
            parse.question.keys.extend(Some(key).filter(|key| !columns.contains(key)));
            columns.iter().all(of_group)
        });
        let columns_are_own_texts = columns
            .iter()
            .all(|column| self.scope.table_of(*column) == 0 && self.scope.is_text(*column));
        for column in columns {
            let Some((dimension, None)) = self.dimension_of(&[column]) else {
                return false;
            };
            self.question.dimensions.push(dimension);
        }
        is_shown || (self.question.measures == [Measure::Rows] && columns_are_own_texts)
    }

    /// Reads a list of columns that are shown.
    pub(super) fn listed_columns(&mut self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.listed.clear();
        while self.attempt(|parse| {
            let comma = parse.is_after_comma();
            let joint = parse.is_term(Term::And);
            if !columns.is_empty() && !comma && !joint {
                return false;
            }
            parse.articles();
            let at = parse.at;
            if parse.full_names() {
                parse.listed.push(at..parse.at);
                columns.extend(parse.scope.base().person_names());
                return true;
            }
            let Some(found) = parse.column_names() else {
                return false;
            };
            parse.listed.push(at..parse.at);
            let display = parse.scope.display(0);
            let plain =
                one(&found, |_| true).or_else(|| one(&found, |column| display == Some(column)));
            match plain.or_else(|| one(&found, |column| !parse.scope.is_key(column))) {
                Some(column) => {
                    columns.push(column);
                    true
                }
                None => false,
            }
        }) {}
        columns
    }

    /// Reads `names`, `employee names`, where people have their names in two columns.
    fn full_names(&mut self) -> bool {
        let is_full = |kind: Option<&PhraseKind>| matches!(kind, Some(PhraseKind::Name(names)) if names.is_full_name);
        let of_rows = matches!(self.ahead(0), Some(PhraseKind::Name(names)) if names.base > 0);
        let before = usize::from(of_rows && is_full(self.ahead(1)));
        if !is_full(self.ahead(before)) {
            return false;
        }
        if before > 0
            && let Some(names) = self.names()
        {
            self.question.named = self.question.named.max(names.base);
        }
        self.question.grounds += 1;
        self.at += before + 1;
        true
    }

    /// Reads a question for rows as they are.
    pub(super) fn list(&mut self) -> bool {
        let asks = self.phrases.get(self.at).is_some_and(|phrase| {
            matches!(phrase.kind, PhraseKind::Term(Term::List | Term::Which))
        });
        let is_which = matches!(self.kind(), Some(PhraseKind::Term(Term::Which)))
            && !matches!(self.ahead(1), Some(PhraseKind::Term(Term::Be)));
        self.asking();
        if self.attempt(|parse| parse.shown_columns(is_which)) {
            return true;
        }
        let first = self.at;
        if !matches!(self.noun(), Some((Head::Rows | Head::Values, _))) {
            return false;
        }
        let mut columns: Vec<usize> =
            self.scope.display(0).filter(|_| self.scope.base().is_thing()).into_iter().collect();
        let with = self.attempt(|parse| parse.with_columns(&mut columns));
        self.question.form = Form::List { columns, is_distinct: false };
        self.at > first && (with || asks)
    }

    /// Reads `and their countries`.
    fn with_columns(&mut self, columns: &mut Vec<usize>) -> bool {
        let joint = self.term(|term| matches!(term, Term::And | Term::With)).is_some();
        joint && self.text(self.at) == "their" && self.add_columns(columns)
    }

    /// Shows more columns of rows that are listed.
    pub(super) fn shown_with(&mut self) -> bool {
        let Form::List { mut columns, is_distinct: false } = self.question.form.clone() else {
            return false;
        };
        let is_some = self.add_columns(&mut columns);
        self.question.form = Form::List { columns, is_distinct: false };
        is_some
    }

    fn add_columns(&mut self, columns: &mut Vec<usize>) -> bool {
        let shown = self.listed_columns();
        if columns.is_empty()
            && let Some(key) = self.scope.base().columns_with("id").first()
        {
            columns.push(*key);
        }
        let is_some = !shown.is_empty();
        columns.extend(shown);
        is_some
    }

    /// `names and ages of students`, `distinct countries of customers`
    fn shown_columns(&mut self, is_which: bool) -> bool {
        let is_distinct = self.is_term(Term::Distinct);
        let columns = self.listed_columns();
        // "What genres do we have" asks for each of them once; "what are the genres of books", for those of all books.
        let is_category = matches!(columns.as_slice(), [column] if {
            let (vocabulary, local) = self.scope.local(*column);
            vocabulary.is_category(local)
        });
        let is_distinct = is_distinct || ((is_which || self.says_all()) && is_category);
        if columns.is_empty() {
            return false;
        }
        let of_each = ["of each", "for each", "of every"].contains(&self.text(self.at).as_str());
        let is_of = self.attempt(|parse| {
            (of_each && parse.is_term(Term::By) || parse.is_term(Term::Preposition)) && {
                parse.is_term(Term::By);
                match parse.noun() {
                    Some((Head::Rows, _)) => true,
                    Some((Head::Values, _)) => parse.is_plural(parse.at - 1),
                    _ => false,
                }
            }
        });
        let is_own = columns.iter().all(|column| self.scope.table_of(*column) == 0);
        // "Orders shipped" is no list of days, and "work orders" are no list of their ids.
        let is_named = self.question.named > 0
            && !columns
                .iter()
                .any(|column| self.scope.is_date(*column) || self.scope.is_flag(*column));
        if columns.iter().any(|column| self.scope.is_key(*column)) && !self.lists_keys() {
            return false;
        }
        // Players are people: their names are those of people.
        let is_person = |column: &usize| {
            let table = self.scope.table_of(*column);
            let name = &self.scope.tables[table].vocabulary.table.name.name;
            table == 0 || ["people", "person", "persons"].contains(&name.as_str())
        };
        let is_related = is_of
            && (columns.iter().any(|column| self.scope.table_of(*column) == 0)
                || columns.iter().all(is_person));
        let columns = if of_each && is_own { self.with_display(columns) } else { columns };
        self.question.form = Form::List { columns, is_distinct };
        (is_of && (is_own || is_related)) || (is_own && (is_distinct || is_named))
    }

    /// Whether keys are named as such: `ids of customers`.
    fn lists_keys(&self) -> bool {
        const KEYS: [&str; 12] = [
            "id",
            "ids",
            "key",
            "code",
            "codes",
            "number",
            "numbers",
            "no",
            "zip",
            "phone",
            "identifier",
            "identifiers",
        ];
        self.listed
            .iter()
            .cloned()
            .flatten()
            .flat_map(|at| self.tokens_of(at))
            .any(|token| KEYS.contains(&token.text.as_str()))
    }

    /// Puts the columns that tell whose the others are before them.
    fn with_display(&self, columns: Vec<usize>) -> Vec<usize> {
        let base = self.scope.base();
        let names = match self.scope.display(0) {
            Some(display) => vec![display],
            None => base.person_names(),
        };
        let key = base.columns_with("id").into_iter().take(usize::from(names.is_empty()));
        let mut all: Vec<usize> =
            names.into_iter().chain(key).filter(|name| !columns.contains(name)).collect();
        all.extend(columns);
        all
    }

    /// Rows whose number is asked for: `cancelled orders in June`.
    pub(super) fn rows(&mut self) -> bool {
        self.asking();
        if let Some(Term::BucketGrouping(bucket)) =
            self.term(|term| matches!(term, Term::BucketGrouping(_)))
        {
            self.question.is_per = true;
            self.add_dimension(Dimension::Time(bucket), None);
        }
        let found = self.noun();
        let is_rows = matches!(found, Some((Head::Rows | Head::Values, _)));
        is_rows && !self.is_before_measure() && self.add_measure(Measure::Rows)
    }
}
