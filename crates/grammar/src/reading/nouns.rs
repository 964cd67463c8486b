//! Noun phrases: `paid express orders`, `German customers`, `critical alerts`.

use super::Parse;
use crate::{
    lexicon::Term,
    phrases::{Names, Phrase, PhraseKind, Sort},
    plan::Condition,
    tokens::{stem, words_of},
    vocabulary::{CORE, Name},
};

/// Words in the names of columns of where something goes.
const TARGETS: [&str; 7] =
    ["destination", "dest", "arrival", "to", "target", "receiver", "recipient"];

/// What a noun phrase is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// The rows of the table that is asked about.
    Rows,
    /// Rows that are named by their values alone: `warnings`.
    Values,
    /// The rows of a table that it refers to.
    Parent(usize),
}

impl Parse<'_, '_, '_> {
    /// Reads a noun phrase; returns its head, and whether it is in the plural.
    pub(super) fn noun(&mut self) -> Option<(Head, bool)> {
        self.articles();
        let first = self.question.conditions.len();
        let start = self.at;
        let mut has_adjectives = false;
        while self.adjective() {
            has_adjectives = true;
            self.articles();
        }
        let at = self.at;
        if let Some(head) = self.head() {
            let is_plural = self.is_plural(at);
            return self.agrees(head, first).then_some((head, is_plural));
        }
        if !has_adjectives || at == start {
            return None;
        }
        // "Warnings" and "returns" are rows; "web" is none.
        let is_noun = self.is_plural(at - 1)
            || self.tokens_of(at - 1).first().is_some_and(|token| token.text.ends_with("ed"));
        // "The capital of Japan" is no row with a flag.
        let is_flag = matches!(self.question.conditions.last(), Some((Condition::Flag { .. }, _)));
        if is_flag && !is_noun {
            return None;
        }
        // Bartenders are no shifts.
        if is_noun && !self.scope.base().is_thing() && self.is_person(first) {
            return None;
        }
        // "Kitchens" are no employees of the department `Kitchen`.
        if is_noun && !self.are_kinds(first) {
            return None;
        }
        ((is_noun || self.question.conditions.len() > first) && self.agrees(Head::Values, first))
            .then_some((Head::Values, is_noun))
    }

    /// Whether the last of the conditions from `first` on says what a person does.
    fn is_person(&self, first: usize) -> bool {
        const WORK: [&str; 6] = ["role", "title", "job", "position", "profession", "occupation"];
        self.last_columns(first).any(|column| self.scope.has_last_word(column, &WORK))
    }

    /// Returns the columns of the last of the conditions from `first` on.
    fn last_columns(&self, first: usize) -> impl Iterator<Item = usize> + use<> {
        let last = self.question.conditions[first..].last();
        last.map(|(last, _)| last.columns()).into_iter().flatten()
    }

    /// Whether the last of the conditions from `first` on says of what kind the rows are, so that its value is a noun.
    fn are_kinds(&self, first: usize) -> bool {
        const KINDS: [&str; 23] = [
            "type",
            "kind",
            "category",
            "class",
            "status",
            "state",
            "severity",
            "priority",
            "role",
            "title",
            "job",
            "position",
            "species",
            "breed",
            "specialty",
            "profession",
            "occupation",
            "result",
            "outcome",
            "event",
            "action",
            "genre",
            "reason",
        ];
        self.last_columns(first).all(|column| self.scope.has_last_word(column, &KINDS))
    }

    /// Whether a name is that of a column of rows that belong to others: the languages of countries are
    /// no rows of `languages`.
    pub(super) fn is_own_column(&self, names: &Names) -> bool {
        let base = self.scope.base();
        let refers = |column: usize| {
            let name = &base.table.columns[column].name;
            base.table.foreign_keys.iter().any(|key| key.columns.contains(name))
        };
        let has_key =
            (0..base.table.columns.len()).any(|column| base.is_key(column) && !refers(column));
        let is_own =
            |column: &usize| self.scope.table_of(*column) == 0 && self.scope.is_text(*column);
        names.columns.iter().any(is_own) && !has_key && !base.table.foreign_keys.is_empty()
    }

    /// Reads a word for rows.
    pub(super) fn head(&mut self) -> Option<Head> {
        let head = match self.kind()? {
            PhraseKind::Name(names)
                if names.base > 0
                    && (names.best == Sort::Table || self.is_plural(self.at))
                    && !self.is_own_column(&names) =>
            {
                self.question.named = self.question.named.max(names.base);
                Head::Rows
            }
            PhraseKind::Name(names) => Head::Parent(names.parent()?),
            PhraseKind::Term(Term::Alert) => {
                self.question.is_alert = true;
                self.question.named = self.question.named.max(2);
                Head::Rows
            }
            PhraseKind::Term(Term::Rows) => Head::Rows,
            _ => return None,
        };
        self.at += 1;
        Some(head)
    }

    /// Whether the adjectives from `first` on can be said of the head: the loans of active members are no
    /// active loans.
    fn agrees(&self, head: Head, first: usize) -> bool {
        let mut columns =
            self.question.conditions[first..].iter().flat_map(|(condition, _)| condition.columns());
        match head {
            Head::Parent(parent) => columns.all(|column| self.scope.table_of(column) == parent),
            Head::Rows => columns.all(|column| self.says_of_rows(column)),
            Head::Values => columns.all(|column| self.scope.table_of(column) == 0),
        }
    }

    /// Whether a value of the column is said of the rows that refer to it too: `fantasy books`, but not
    /// `active loans`.
    pub(super) fn says_of_rows(&self, column: usize) -> bool {
        const KINDS: [&str; 14] = [
            "country",
            "nation",
            "nationality",
            "continent",
            "city",
            "region",
            "category",
            "genre",
            "kind",
            "department",
            "brand",
            "specialty",
            "segment",
            "sector",
        ];
        self.scope.table_of(column) == 0 || self.scope.has_last_word(column, &KINDS)
    }

    /// Reads a value, a flag or `new` before its noun.
    fn adjective(&mut self) -> bool {
        if self.is_term(Term::New) {
            let found = self.scope.base().find(self.tokens_of(self.at - 1));
            if found.iter().any(|found| matches!(found.name, Name::Value(..))) {
                self.at -= 1;
                return self.refuse("it may be about a value or about the day");
            }
            self.question.is_new = true;
            return true;
        }
        self.attempt(|parse| {
            let negated = parse.is_term(Term::Not);
            parse.is_term(Term::And);
            let Some(names) = parse.names() else {
                return false;
            };
            // "Unshipped orders" have no day of shipping, whatever their status is.
            let lacks = names.columns.iter().any(|column| parse.scope.is_date(*column));
            if names.best == Sort::Value && !names.values.is_empty() && !(negated && lacks) {
                let begun = parse.is_before_rows() && parse.is_only_begun(&names.values);
                return !begun && parse.values(negated, false, &[]);
            }
            let is_flag = !names.columns.is_empty()
                && names.columns.iter().all(|column| parse.scope.is_flag(*column));
            let is_missing = |column: &usize| negated && parse.scope.is_date(*column);
            match names.columns.as_slice() {
                [column] if is_flag => {
                    parse.at += 1;
                    parse.flag(*column, negated, false)
                }
                // "Unshipped orders"
                [column] if is_missing(column) => {
                    parse.at += 1;
                    parse.add(Condition::Missing { column: *column, negated: false }, false)
                }
                _ => false,
            }
        })
    }

    /// Whether what is said of rows is not done yet, as their values are: "graduate students" have not graduated.
    fn is_only_begun(&self, values: &[(usize, String)]) -> bool {
        !self.text(self.at).ends_with("ed") && values.iter().any(|(_, value)| value.ends_with("ed"))
    }

    /// Whether a measure follows: the rows before only qualify it, as in `order value`.
    pub(super) fn is_before_measure(&self) -> bool {
        // "Teams founded before 1975"
        let is_participle = matches!(
            self.ahead(1),
            Some(PhraseKind::Period(_) | PhraseKind::Term(Term::Preposition))
        ) && (self.text(self.at).ends_with("ed")
            || self.text(self.at) == "born");
        !is_participle
            && matches!(self.ahead(0), Some(PhraseKind::Name(next)) if next.best == Sort::Column
                && next.columns.iter().any(|column| self.scope.is_number(*column)))
    }

    /// Whether a word for rows follows the phrase at hand.
    pub(super) fn is_before_rows(&self) -> bool {
        match self.ahead(1) {
            Some(PhraseKind::Name(next))
                if next.best == Sort::Column && next.parents.is_empty() =>
            {
                // "High priority tickets"
                matches!(self.ahead(2), Some(PhraseKind::Name(rows)) if rows.best == Sort::Table)
            }
            Some(PhraseKind::Name(next)) => next.best == Sort::Table || !next.parents.is_empty(),
            Some(PhraseKind::Term(Term::Alert | Term::Rows)) => true,
            _ => false,
        }
    }

    pub(super) fn flag(&mut self, column: usize, negated: bool, in_clause: bool) -> bool {
        self.question.grounds += 1;
        self.add(Condition::Flag { column, negated }, in_clause)
    }

    /// Reads a value and those of the same column that follow, of one of the columns `within` if any
    /// are given.
    pub(super) fn values(&mut self, negated: bool, in_clause: bool, within: &[usize]) -> bool {
        let Some((column, first)) = self.value(within, None) else {
            return false;
        };
        let mut values = vec![first];
        loop {
            let mut joint = None;
            let comma = self.is_after_comma();
            let more = self.attempt(|parse| {
                let is_but = parse.text(parse.at) == "but";
                joint = parse.term(|term| matches!(term, Term::And | Term::Or) && !is_but);
                // "From EMEA and from APAC"
                if joint.is_some() {
                    parse.prepositions();
                    parse.is_term(Term::Not);
                }
                (joint.is_some() || comma)
                    && parse.value(within, Some(column)).is_some_and(|(_, value)| {
                        values.push(value);
                        true
                    })
            });
            if !more {
                break;
            }
            // No row was both refunded and cancelled.
            if joint == Some(Term::And) && in_clause && !negated {
                return self.refuse("no row has two values in one column");
            }
        }
        values.dedup();
        self.add(Condition::Values { column, values, negated }, in_clause)
    }

    /// Reads a single value, with the name of its column if that follows.
    fn value(&mut self, within: &[usize], same: Option<usize>) -> Option<(usize, String)> {
        let start = self.at;
        let names = self.names()?;
        let suits = |column: usize| {
            same.is_none_or(|same| same == column)
                && (within.is_empty() || within.contains(&column))
        };
        // "Transactions of branch Harbor" are not those made by `branch`.
        if names.parents.iter().any(|parent| self.is_named_after(*parent)) {
            return None;
        }
        let mut values = names.values;
        values.retain(|(column, _)| suits(*column));
        let following = match self.ahead(1) {
            Some(PhraseKind::Name(next)) => next.columns.clone(),
            _ => Vec::new(),
        };
        let told: Vec<_> =
            values.iter().filter(|(column, _)| following.contains(column)).cloned().collect();
        let found = match (told.as_slice(), values.as_slice()) {
            ([value], _) => {
                self.at += 2;
                value.clone()
            }
            (_, [value]) => {
                self.at += 1;
                value.clone()
            }
            (_, []) => return None,
            _ => {
                let columns: Vec<&str> = values
                    .iter()
                    .map(|(column, _)| self.scope.column(*column).name.as_str())
                    .collect();
                let reason = format!("it is a value of {}", columns.join(" and of "));
                self.refuse(reason);
                return None;
            }
        };
        let before = (0..start).rev().take_while(|at| self.is_link(*at));
        let (mut is_from, mut is_to, mut is_made) = (false, false, false);
        for at in before {
            is_from |= self.text(at).ends_with("from");
            is_to |= self.text(at) == "to";
            is_made |= self.text(at) == "made in";
        }
        let is_target = self.scope.has_word(found.0, &TARGETS);
        // "From Rome" is not to Rome.
        let is_ratio = |phrase: &Phrase| phrase.kind == PhraseKind::Term(Term::Ratio);
        is_to &= !self.phrases.iter().any(is_ratio);
        if (is_from && is_target) || (is_to && !is_target) {
            self.refuse("it does not say where it begins or where it ends");
            return None;
        }
        // Books of Irish authors are not made in Ireland.
        if is_made && self.scope.table_of(found.0) != 0 {
            return None;
        }
        // "Tickets billed in June" are not those of the team `Billing`.
        let said = self.text(start);
        if self.scope.table_of(found.0) != 0
            && said.ends_with("ed")
            && !found.1.to_lowercase().contains(&said)
        {
            return None;
        }
        if !self.is_said_as_name(start, &found) {
            self.refuse(format!("it is a name in {}", self.scope.column(found.0).name));
            return None;
        }
        self.question.grounds += 1;
        Some(found)
    }

    /// Whether the name of a row of a table follows the phrase at hand.
    fn is_named_after(&self, parent: usize) -> bool {
        let display = self.scope.display(parent);
        matches!(self.ahead(1), Some(PhraseKind::Name(next))
            if next.values.iter().any(|(column, _)| Some(*column) == display))
    }

    /// Whether the phrase at `at` is the name of a row for certain: rooms with "a sea view" are not those of the hotel
    /// `Sea View`.
    fn is_said_as_name(&self, at: usize, (column, value): &(usize, String)) -> bool {
        if self.scope.display(self.scope.table_of(*column)) != Some(*column) {
            return true;
        }
        let said = self.tokens_of(at).iter().map(|token| token.original.as_str());
        let is_spelled = said.collect::<Vec<_>>().join(" ") == *value;
        let table = self.scope.table_of(*column);
        // "Rivers in Colorado" are not the river of that name.
        let before = at.checked_sub(1);
        let is_in =
            before.is_some_and(|before| ["in", "at", "from"].contains(&self.text(before).as_str()));
        if is_in && self.scope.table_of(*column) == 0 {
            return false;
        }
        let names_table = |at: Option<usize>| {
            matches!(at.and_then(|at| self.phrases.get(at)).map(|phrase| &phrase.kind),
                Some(PhraseKind::Name(names)) if names.columns.contains(column)
                    || names.parents.contains(&table)
                    || (names.best == Sort::Table && names.base > 0 && table == 0))
        };
        let is_of = before.is_some_and(|before| {
            ["of", "at", "in", "from", "for", "by", "to"].contains(&self.text(before).as_str())
        });
        is_spelled || is_of || names_table(before) || names_table(Some(self.at))
    }

    pub(super) fn is_link(&self, at: usize) -> bool {
        matches!(
            self.phrases[at].kind,
            PhraseKind::Term(Term::Article | Term::Preposition | Term::Relation | Term::FillerWord)
        )
    }

    /// Adds a condition, unless it contradicts another.
    pub(super) fn add(&mut self, condition: Condition, in_clause: bool) -> bool {
        if self.question.conditions.iter().any(|(other, _)| condition.contradicts(other)) {
            return self.refuse("no row has two values in one column");
        }
        self.question.conditions.push((condition, in_clause));
        true
    }

    /// Reads the name of a column, with the table before it: `order status`, `customer segment`. Returns
    /// the columns that it may mean.
    pub(super) fn column_names(&mut self) -> Option<Vec<usize>> {
        self.articles();
        let start = self.at;
        let names = self.names()?;
        let table = match self.ahead(1) {
            Some(PhraseKind::Name(next))
                if !next.columns.is_empty() || next.best == Sort::Table =>
            {
                if names.base > 0 {
                    Some(0)
                } else {
                    names.parent()
                }
            }
            _ => None,
        };
        if let Some(table) = table {
            let columns = self.columns_in(table, start + 1);
            // "Cartoons directed by" says who did it.
            let text = self.text(start + 1);
            let is_said =
                table == 0 && (text.ends_with("ed") || text.ends_with(" by") || text == "born");
            if !columns.is_empty() && !is_said {
                if table == 0 {
                    self.question.named = self.question.named.max(names.base);
                }
                self.question.grounds += 1;
                self.at += 2;
                return Some(columns);
            }
        }
        if names.columns.is_empty() {
            return None;
        }
        // "Concert names" names the concerts.
        let head = words_of(&self.scope.base().table.name.name).last().map(|word| stem(word));
        if self.tokens_of(start).len() > 1
            && self.tokens_of(start).iter().any(|token| Some(&token.stem) == head.as_ref())
        {
            self.question.named = self.question.named.max(CORE);
        }
        self.at += 1;
        self.question.grounds += 1;
        let parent = self.attempt_table();
        let columns = parent.map(|table| self.columns_in(table, start));
        match columns {
            Some(columns) if columns.is_empty() => None,
            Some(columns) => Some(columns),
            None => Some(names.columns),
        }
    }

    /// Reads the table of a column after it: `name of the customer`.
    fn attempt_table(&mut self) -> Option<usize> {
        let mut found = None;
        self.attempt(|parse| {
            if parse.leaves_table || !parse.word(&["of", "of each"]) {
                return false;
            }
            parse.articles();
            let Some(names) = parse.names() else {
                return false;
            };
            found = names.parent().filter(|_| names.base == 0);
            parse.at += 1;
            found.is_some()
        });
        found
    }

    /// Returns the columns of a table that the phrase at `at` names best.
    pub(super) fn columns_in(&self, table: usize, at: usize) -> Vec<usize> {
        let Some(phrase) = self.phrases.get(at) else {
            return Vec::new();
        };
        let tokens = self.tokens_of(at);
        let found: Vec<_> = self.scope.tables[table]
            .vocabulary
            .find(tokens)
            .into_iter()
            .filter(|found| found.taken == phrase.taken)
            .collect();
        let quality = |name: &Name| matches!(name, Name::Column(_));
        let best =
            found.iter().filter(|found| quality(&found.name)).map(|found| found.quality).max();
        let columns = found.iter().filter(|found| Some(found.quality) == best);
        let columns: Vec<usize> = columns
            .filter_map(|found| match found.name {
                Name::Column(column) => Some(self.scope.numbered(table, column)),
                _ => None,
            })
            .collect();
        // "Booking revenue" is the money of bookings, whatever its column is called.
        match (&phrase.kind, self.scope.base().money()) {
            (PhraseKind::Name(names), Some(money))
                if table == 0 && columns.is_empty() && names.columns == [money] =>
            {
                vec![money]
            }
            _ => columns,
        }
    }
}

/// Returns the column that suits, if there is exactly one.
pub(super) fn one(columns: &[usize], suits: impl Fn(usize) -> bool) -> Option<usize> {
    let mut suitable = columns.iter().copied().filter(|column| suits(*column));
    match (suitable.next(), suitable.next()) {
        (Some(column), None) => Some(column),
        _ => None,
    }
}
