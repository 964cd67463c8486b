//! The pass that groups tokens into phrases, given the scope of a question: terms of the lexicon,
//! names, values, periods and numbers.

use std::cmp::Reverse;

use chrono::NaiveDate;

use crate::{
    lexicon::{Comparison, Term, lexicon, singular},
    periods::{Period, period},
    scope::{Found, Meaning, TableScope},
    tokens::{Token, TokenKind, stem},
    vocabulary::{COMMENT, CORE, WHOLE},
};

/// One or more tokens that have one meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phrase {
    pub(crate) kind: PhraseKind,
    /// Its first token, and the number of its tokens.
    pub(crate) start: usize,
    pub(crate) taken: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PhraseKind {
    Term(Term),
    Name(Names),
    Period(Period),
    Number(String),
    /// A unit after a number, as columns' names abbreviate it.
    Unit(String),
    /// A quoted text that is no known value.
    Text(String),
    Unknown,
}

/// What a name may mean. The best sort of meaning comes first; the others are of use in places where
/// only they fit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Names {
    /// How much of the name of the table that is asked about is given: 0 for nothing.
    pub(crate) base: u32,
    pub(crate) parents: Vec<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) columns: Vec<usize>,
    pub(crate) values: Vec<(usize, String)>,
    /// Whether the first and last names of the rows are meant.
    pub(crate) is_full_name: bool,
    pub(crate) quality: u32,
    pub(crate) best: Sort,
}

impl Names {
    /// Returns the other table that is meant, if there is exactly one.
    pub(crate) fn parent(&self) -> Option<usize> {
        match self.parents.as_slice() {
            [parent] => Some(*parent),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    #[default]
    Value,
    Column,
    Table,
}

/// Groups `tokens` into phrases.
pub(crate) fn phrases(scope: &TableScope<'_>, tokens: &[Token], today: NaiveDate) -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let parser = PhraseParser { scope, tokens, today, before: &phrases };
        let found = parser.at(at);
        at += found.iter().map(|(taken, _)| taken).sum::<usize>().max(1);
        for (taken, kind) in found {
            let start = phrases.last().map_or(0, |last| last.start + last.taken);
            phrases.push(Phrase { kind, start, taken });
        }
    }
    phrases
}

struct PhraseParser<'p, 'a> {
    scope: &'p TableScope<'a>,
    tokens: &'p [Token],
    today: NaiveDate,
    before: &'p [Phrase],
}

impl PhraseParser<'_, '_> {
    /// Returns the phrases that begin at `at`, with their lengths: nearly always one.
    fn at(&self, at: usize) -> Vec<(usize, PhraseKind)> {
        let rest = &self.tokens[at..];
        if let Some(found) = self.code(at) {
            return vec![(1, found)];
        }
        let name = self.name(rest).and_then(|found| self.before_period(at, found));
        // "Returning customers" asks for no list.
        let is_meant = |(taken, term): &(usize, Term)| {
            rest[0].kind != TokenKind::Quoted
                && (*term != Term::List || lexicon().is_spelled(rest, *taken))
        };
        let term = lexicon().term(rest).filter(is_meant);
        let period = self.period(at);
        let longest = name.as_ref().map_or(0, |(taken, _)| *taken);
        if let Some((taken, period)) = period.filter(|(taken, _)| *taken >= longest) {
            return vec![(taken, PhraseKind::Period(period))];
        }
        if let Some((taken, term)) = term
            && !name.as_ref().is_some_and(|(longest, name)| {
                self.prefers_name(at, (*longest, name), (taken, term))
            })
        {
            return vec![(taken, self.in_context(at + taken, term))];
        }
        if let Some((taken, name)) = name {
            return vec![(taken, PhraseKind::Name(name))];
        }
        if let Some(number) = number_word(&rest[0]) {
            return vec![(1, PhraseKind::Number(number))];
        }
        if let Some(unit) = lexicon().unit(&rest[0].text)
            && matches!(self.last(), Some(PhraseKind::Number(_)))
        {
            return vec![(1, PhraseKind::Unit(unit.to_owned()))];
        }
        let kind = match &rest[0].kind {
            TokenKind::Number(number) => PhraseKind::Number(number.clone()),
            TokenKind::Quoted => PhraseKind::Text(rest[0].original.clone()),
            // A percent sign after a number adds nothing to what the column says.
            TokenKind::Sign
                if rest[0].text == "%" && matches!(self.last(), Some(PhraseKind::Number(_))) =>
            {
                PhraseKind::Term(Term::Tail)
            }
            _ => return self.opposite(&rest[0]).unwrap_or_else(|| vec![(1, PhraseKind::Unknown)]),
        };
        vec![(1, kind)]
    }

    /// Reads a value that is written in capitals as a word that has another meaning is not: `US`, `grade A`.
    fn code(&self, at: usize) -> Option<PhraseKind> {
        let token = &self.tokens[at];
        let is_capital = |token: &Token| token.original.chars().all(char::is_uppercase);
        let is_code = token.kind == TokenKind::Word
            && token.original.len() <= 3
            && is_capital(token)
            && !self.tokens.iter().all(|token| token.kind != TokenKind::Word || is_capital(token));
        if !is_code || (token.original == "A" && at == 0) || token.original == "I" {
            return None;
        }
        let mut name = self.name(&self.tokens[at..=at]).map(|(_, name)| name).unwrap_or_default();
        name.values.retain(|(_, value)| *value == token.original);
        if !name.values.is_empty() {
            let values = name.values;
            let (quality, best) = (WHOLE, Sort::Value);
            return Some(PhraseKind::Name(Names { values, quality, best, ..Names::default() }));
        }
        let is_after_column = matches!(self.last(), Some(PhraseKind::Name(names))
            if names.columns.iter().any(|column| self.scope.is_text(*column)));
        let is_dropped = match token.original.as_str() {
            "A" => is_after_column,
            "US" | "IT" | "ME" => true,
            _ => false,
        };
        is_dropped.then_some(PhraseKind::Unknown)
    }

    /// Leaves the words of a period to it: "injured since June" is no `injured_since`, and "delay of all time"
    /// no delay time.
    fn before_period(&self, at: usize, found: (usize, Names)) -> Option<(usize, Names)> {
        let (taken, names) = found;
        let begins = |at: &usize| {
            !matches!(self.tokens[*at].kind, TokenKind::Number(_))
                && period(self.tokens, *at, self.today).is_some()
        };
        match (at + 1..at + taken).find(begins) {
            Some(first) if names.best != Sort::Value => self.name(&self.tokens[at..first]),
            _ => Some((taken, names)),
        }
    }

    fn last(&self) -> Option<&PhraseKind> {
        self.before.last().map(|phrase| &phrase.kind)
    }

    fn last_content(&self) -> Option<&PhraseKind> {
        let meant =
            |kind: &&PhraseKind| !matches!(kind, PhraseKind::Term(term) if term.is_filler());
        self.before.iter().rev().map(|phrase| &phrase.kind).find(meant)
    }

    /// Returns the period at `at`, unless its year is rather a number to compare with.
    fn period(&self, at: usize) -> Option<(usize, Period)> {
        let found = period(self.tokens, at, self.today)?;
        let begins_with_number = |at: usize| {
            matches!(self.tokens.get(at), Some(Token { kind: TokenKind::Number(_), .. }))
        };
        let is_number = begins_with_number(at)
            || (begins_with_number(at + 1)
                && matches!(self.tokens[at].text.as_str(), "between" | "up"));
        let compares = match self.last_content() {
            Some(PhraseKind::Term(
                Term::Compare(_) | Term::Comparative(..) | Term::Between | Term::Top(_),
            )) => true,
            Some(PhraseKind::Name(names)) => {
                names.columns.iter().any(|column| self.scope.is_number(*column))
                    && self.tokens[at].text != "from"
                    && !self.follows_preposition(at)
            }
            _ => false,
        };
        (!is_number || !compares).then_some(found)
    }

    /// Whether a preposition precedes: the number in `revenue in 2025` is a year.
    fn follows_preposition(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map_or("", |before| self.tokens[before].text.as_str());
        ["in", "during", "for", "of", "since", "from"].contains(&before)
    }

    /// Returns what the names mean that `rest` begins with, and their length.
    fn name(&self, rest: &[Token]) -> Option<(usize, Names)> {
        let found = self.scope.find(rest);
        let longest = found.iter().map(|found| found.taken).max().unwrap_or(0);
        let said = &rest[..longest];
        let found: Vec<&Found> = found
            .iter()
            .filter(|found| found.taken == longest && !self.is_other_meaning(said, found))
            .collect();
        let base = self.scope.base();
        // "Order value" is not said of the lines of an order.
        let is_of_whole = base.is_line() && rest[0].stem == stem("order");
        let money = base.money().zip(self.money(rest)).filter(|_| !is_of_whole);
        let best = found.iter().map(|found| rank(found)).max();
        if let Some((column, taken)) = money
            && (taken, COMMENT + 1) > (longest, best.map_or(0, |best| best.0.min(CORE)))
        {
            let columns = vec![column];
            return Some((
                taken,
                Names { columns, quality: CORE, best: Sort::Column, ..Names::default() },
            ));
        }
        let best = best?;
        let of = |wanted: Sort| {
            let all = found.iter().filter(move |found| sort(found) == wanted);
            let best = all.clone().map(|found| rank(found)).max();
            all.filter(move |found| Some(rank(found)) == best).map(|found| &found.meaning)
        };
        let mut names = Names { quality: best.2, best: best.4, ..Names::default() };
        for meaning in of(Sort::Table).chain(of(Sort::Column)).chain(of(Sort::Value)) {
            match meaning {
                // Another word for the table is less sure than its name.
                Meaning::Base => names.base = best.2 - u32::from(!best.3),
                Meaning::Parent(table) => names.parents.push(*table),
                Meaning::Child(child) => names.children.push(*child),
                Meaning::Column(column) => names.columns.push(*column),
                Meaning::OfPerson => names.is_full_name = true,
                Meaning::Value(column, value) => names.values.push((*column, value.clone())),
            }
        }
        Some((longest, names))
    }

    /// Whether the words mean something else than what they resemble.
    fn is_other_meaning(&self, said: &[Token], found: &Found) -> bool {
        match found.meaning {
            Meaning::Column(column) => {
                // The plant of a check is that of its run or that of its inspector.
                self.scope.is_unclear(column)
                    || self.is_count_of(said, column)
                    || self.is_far_kind(found, column)
                    || self.is_other_table(said, found, column)
            }
            Meaning::Value(column, ref value) => {
                // A part of the table's name is no value of another table.
                let is_modifier = matches!(said, [word] if self.scope.base().is_modifier(word));
                (is_modifier && found.depth > 0)
                    || self.is_vague(said, column, value)
                    || self.is_rather_rows(said, value)
            }
            _ => false,
        }
    }

    /// Whether a table is rather meant than a part of a column's name: "customers" are not the `customers_affected`
    /// of outages.
    fn is_other_table(&self, said: &[Token], found: &Found, column: usize) -> bool {
        found.quality < WHOLE
            && self.scope.is_number(column)
            && matches!(said, [word] if self.scope.is_table(word))
    }

    /// Whether a word for the rows of a table only resembles a value: "orders" are not those that are `ordered`.
    fn is_rather_rows(&self, said: &[Token], value: &str) -> bool {
        matches!(said, [word] if word.kind == TokenKind::Word
            && self.scope.is_rows(word)
            && value.to_lowercase() != word.text)
    }

    /// Whether another word for a kind would be that of another table: the "kind" of fees is no `type` of vehicles.
    fn is_far_kind(&self, found: &Found, column: usize) -> bool {
        let name = self.scope.column(column).name.to_lowercase();
        found.depth > 0
            && !found.is_literal
            && ["type", "kind", "class", "category"].contains(&name.as_str())
    }

    /// Whether the words count rows: "number of rooms" is no `room_number`.
    fn is_count_of(&self, said: &[Token], column: usize) -> bool {
        let [first, of, .., last] = said else {
            return false;
        };
        let (vocabulary, local) = self.scope.local(column);
        (first.text.as_str(), of.text.as_str()) == ("number", "of")
            && singular(&last.text) != last.text
            && !vocabulary.is_count(local)
    }

    /// Returns the number of tokens that mean the money of the rows: `revenue`, or, of `restaurant_orders`,
    /// `restaurant revenue`.
    fn money(&self, rest: &[Token]) -> Option<usize> {
        let base = self.scope.base();
        let [first, after @ ..] = rest else {
            return None;
        };
        // What is bought is no revenue.
        let is_bought = ["purchase", "procurement", "supplier", "vendor"]
            .iter()
            .any(|word| base.modifiers.iter().any(|modifier| modifier == word));
        let plain = |tokens: &[Token]| {
            let is_spent = tokens.first().is_some_and(|token| token.text.starts_with("spen"));
            lexicon().money(tokens, &base.head()).filter(|_| is_spent || !is_bought)
        };
        plain(rest).or_else(|| {
            let named = base.is_modifier(first).then(|| plain(after)).flatten();
            named.map(|taken| taken + 1)
        })
    }

    /// Whether a word is too ambiguous to mean this value: `approval` fits `Approved` and `Need approval`.
    fn is_vague(&self, said: &[Token], column: usize, value: &str) -> bool {
        let [token] = said else {
            return false;
        };
        let is_said = value.to_lowercase().contains(token.text.trim_end_matches('s'));
        let (vocabulary, local) = self.scope.local(column);
        token.kind != TokenKind::Quoted
            && !is_said
            && vocabulary.is_in_other_values(local, value, &token.stem)
    }

    fn prefers_name(
        &self,
        at: usize,
        (taken, name): (usize, &Names),
        (term_taken, term): (usize, Term),
    ) -> bool {
        let is_whole = name.quality == WHOLE && name.best != Sort::Value;
        let is_number = name.columns.iter().any(|column| self.scope.is_number(*column));
        // "Total amount of …" means the column.
        if term == Term::Count && is_whole && term_taken > taken && is_number {
            return true;
        }
        // "Average share of series" means the column too.
        if matches!(term, Term::Share | Term::Rate)
            && is_whole
            && is_number
            && matches!(
                self.last_content(),
                Some(PhraseKind::Term(Term::Aggregate(_) | Term::Extreme(_)))
            )
        {
            return true;
        }
        // "Orders received from a supplier" have a day on which they were.
        let is_dated = name
            .columns
            .iter()
            .any(|column| self.scope.table_of(*column) == 0 && self.scope.is_date(*column));
        if term == Term::Relation && name.quality >= CORE && is_dated {
            return true;
        }
        if taken != term_taken {
            return taken > term_taken;
        }
        match term {
            Term::Count | Term::Aggregate(_) | Term::Share | Term::Rate | Term::Extreme(_) => {
                is_whole
                    && matches!(
                        self.last_content(),
                        Some(PhraseKind::Term(Term::Count | Term::Aggregate(_)))
                    )
            }
            Term::Relation => {
                is_whole
                    || (name.quality >= CORE
                        && name.columns.iter().any(|column| {
                            self.scope.is_date(*column) || self.scope.is_flag(*column)
                        }))
            }
            // "Return" asks at the beginning; "returns" are rows.
            Term::List => {
                name.quality >= CORE && (at > 0 || !lexicon().is_spelled(&self.tokens[at..], taken))
            }
            Term::New
            | Term::Top(_)
            | Term::Rows
            | Term::BucketNoun(_)
            | Term::Metric
            | Term::Alert
            | Term::FillerWord
            | Term::Lead
            | Term::Tail
            | Term::Article
            | Term::Have
            | Term::Currency(_) => is_whole,
            _ => false,
        }
    }

    /// Returns what a term means for this table, before the token at `next`.
    fn in_context(&self, next: usize, term: Term) -> PhraseKind {
        let is_records = self.scope.base().is_records();
        let records = |base| {
            PhraseKind::Name(Names { base, quality: base, best: Sort::Table, ..Names::default() })
        };
        match term {
            // "Over the last week" compares nothing.
            Term::Compare(Comparison::Above | Comparison::AtMost)
                if next < self.tokens.len() && self.period(next).is_some() =>
            {
                PhraseKind::Term(Term::Preposition)
            }
            Term::Metric if is_records => records(WHOLE),
            Term::Metric => PhraseKind::Unknown,
            Term::Alert if !is_records => PhraseKind::Unknown,
            Term::Rows if is_records => records(1),
            term => PhraseKind::Term(term),
        }
    }

    /// Reads `unpaid` as `not paid`, and `unshipped` as without a date of shipping.
    fn opposite(&self, token: &Token) -> Option<Vec<(usize, PhraseKind)>> {
        let (prefix, positive) = ["un", "in", "im"]
            .iter()
            .find_map(|prefix| Some((*prefix, token.text.strip_prefix(prefix)?)))
            .filter(|(_, rest)| rest.len() > 2)?;
        let positive = Token { text: positive.to_owned(), stem: stem(positive), ..token.clone() };
        let (_, mut names) = self.name(std::slice::from_ref(&positive))?;
        // "Inside" is no opposite of "side".
        let is_sure = prefix == "un";
        names.columns.retain(|column| {
            self.scope.is_flag(*column) || (is_sure && self.scope.is_date(*column))
        });
        if !is_sure {
            names.values.clear();
        }
        if names.columns.is_empty() && names.values.is_empty() {
            return None;
        }
        Some(vec![(0, PhraseKind::Term(Term::Not)), (1, PhraseKind::Name(names))])
    }
}

/// Returns the number that a word means.
fn number_word(token: &Token) -> Option<String> {
    const WORDS: [&str; 12] = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    let number = WORDS.iter().position(|word| *word == token.text)? + 1;
    (token.kind == TokenKind::Word).then(|| number.to_string())
}

fn sort(found: &Found) -> Sort {
    match found.meaning {
        Meaning::Base | Meaning::Parent(_) | Meaning::Child(_) => Sort::Table,
        Meaning::Column(_) | Meaning::OfPerson => Sort::Column,
        Meaning::Value(..) => Sort::Value,
    }
}

/// How well a name fits: a name without its generic parts is as good as the whole name, so that the
/// nearest table has it.
fn rank(found: &Found) -> (u32, Reverse<u32>, u32, bool, Sort) {
    // Another word for a table gives way to one whose name it is.
    let is_synonym = sort(found) == Sort::Table && !found.is_literal;
    let quality = match found.quality {
        CORE.. if is_synonym => COMMENT,
        CORE.. => WHOLE,
        quality => quality,
    };
    (quality, Reverse(found.depth), found.quality, found.is_literal, sort(found))
}
