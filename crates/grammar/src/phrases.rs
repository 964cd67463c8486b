//! The pass that groups tokens into phrases, given the vocabulary of one table: terms of the lexicon,
//! names, values, periods and numbers.

use chrono::NaiveDate;
use metricd_core::schema::ColumnKind;

use crate::{
    lexicon::{Comparison, Term, lexicon},
    periods::{Period, period},
    tokens::{Token, TokenKind, stem},
    vocabulary::{Name, NameMatch, Vocabulary, WHOLE},
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
    /// The table, and how much of its name is given.
    Table(u32),
    /// The columns that this name may mean.
    Columns(Vec<usize>),
    /// The values that this text may mean, each with its column.
    Values(Vec<(usize, String)>),
    Period(Period),
    Number(String),
    /// A quoted text that is no known value.
    Text(String),
    Unknown,
}

/// Groups `tokens` into phrases.
pub(crate) fn phrases(
    vocabulary: &Vocabulary<'_>,
    tokens: &[Token],
    today: NaiveDate,
) -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let parser = PhraseParser { vocabulary, tokens, today, before: &phrases };
        let found = parser.at(at);
        at += found.iter().map(|(taken, _)| taken).sum::<usize>().max(1);
        for (taken, kind) in found {
            let start = phrases.last().map_or(0, |last| last.start + last.taken);
            phrases.push(Phrase { kind, start, taken });
        }
    }
    phrases
}

struct PhraseParser<'a> {
    vocabulary: &'a Vocabulary<'a>,
    tokens: &'a [Token],
    today: NaiveDate,
    before: &'a [Phrase],
}

impl PhraseParser<'_> {
    /// Returns the phrases that begin at `at`, with their lengths: nearly always one.
    fn at(&self, at: usize) -> Vec<(usize, PhraseKind)> {
        let rest = &self.tokens[at..];
        let name = self.name(rest);
        let term = lexicon().term(rest).filter(|_| rest[0].kind != TokenKind::Quoted);
        let period = self.period(at);
        let longest = name.as_ref().map_or(0, |(taken, ..)| *taken);
        if let Some((taken, period)) = period.filter(|(taken, _)| *taken >= longest) {
            return vec![(taken, PhraseKind::Period(period))];
        }
        if let Some((taken, term)) = term
            && !name.as_ref().is_some_and(|name| self.prefers_name(name, taken, term))
        {
            return vec![(taken, self.in_context(at + taken, term))];
        }
        if let Some((taken, _, kind)) = name {
            return vec![(taken, kind)];
        }
        let kind = match &rest[0].kind {
            TokenKind::Number(number) => PhraseKind::Number(number.clone()),
            TokenKind::Quoted => PhraseKind::Text(rest[0].original.clone()),
            // A percent sign after a number adds nothing to what the column says.
            TokenKind::Sign
                if rest[0].text == "%" && matches!(self.last(), Some(PhraseKind::Number(_))) =>
            {
                PhraseKind::Term(Term::FillerWord)
            }
            _ => return self.opposite(&rest[0]).unwrap_or_else(|| vec![(1, PhraseKind::Unknown)]),
        };
        vec![(1, kind)]
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
            Some(PhraseKind::Term(Term::Compare(_) | Term::Between | Term::Top(_))) => true,
            Some(PhraseKind::Columns(columns)) => {
                columns.iter().any(|column| self.vocabulary.kind(*column) == ColumnKind::Number)
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

    /// Returns the best match among the names that `rest` begins with: its length, quality and kind.
    fn name(&self, rest: &[Token]) -> Option<(usize, u32, PhraseKind)> {
        let class = |found: &NameMatch| match found.name {
            Name::Table => 3,
            Name::Column(_) => 2,
            Name::Value(..) => 1,
        };
        let key = |found: &NameMatch| (found.taken, found.quality, found.is_literal, class(found));
        let found = self.vocabulary.find(rest);
        let best = found.iter().map(key).max()?;
        let best: Vec<&NameMatch> = found.iter().filter(|found| key(found) == best).collect();
        let (taken, quality) = (best[0].taken, best[0].quality);
        let kind = match &best[0].name {
            Name::Table => PhraseKind::Table(quality),
            Name::Column(_) => PhraseKind::Columns(
                best.iter()
                    .filter_map(|found| match found.name {
                        Name::Column(column) => Some(column),
                        _ => None,
                    })
                    .collect(),
            ),
            Name::Value(..) => PhraseKind::Values(
                best.iter()
                    .filter_map(|found| match &found.name {
                        Name::Value(column, value) => Some((*column, value.clone())),
                        _ => None,
                    })
                    .filter(|(column, value)| !self.is_vague(&rest[..taken], *column, value))
                    .collect(),
            ),
        };
        (kind != PhraseKind::Values(Vec::new())).then_some((taken, quality, kind))
    }

    /// Whether a word is too ambiguous to mean this value: `approval` fits `Approved` and `Need approval`.
    fn is_vague(&self, tokens: &[Token], column: usize, value: &str) -> bool {
        let [token] = tokens else {
            return false;
        };
        let said = token.text.trim_end_matches('s');
        let is_said = value.to_lowercase().contains(said);
        token.kind != TokenKind::Quoted
            && !is_said
            && self.vocabulary.is_in_other_values(column, value, &token.stem)
    }

    fn prefers_name(
        &self,
        (taken, quality, kind): &(usize, u32, PhraseKind),
        term_taken: usize,
        term: Term,
    ) -> bool {
        // "Total amount of …" means the column.
        if let (Term::Count, PhraseKind::Columns(columns)) = (term, kind)
            && *quality == WHOLE
            && term_taken > *taken
            && columns.iter().any(|column| self.vocabulary.kind(*column) == ColumnKind::Number)
        {
            return true;
        }
        if *taken != term_taken {
            return *taken > term_taken;
        }
        let is_whole = *quality == WHOLE && !matches!(kind, PhraseKind::Values(_));
        match term {
            Term::Count | Term::Aggregate(_) | Term::Share => {
                is_whole
                    && matches!(
                        self.last_content(),
                        Some(PhraseKind::Term(Term::Count | Term::Aggregate(_)))
                    )
            }
            Term::BucketNoun(_)
            | Term::Rows
            | Term::Metric
            | Term::Alert
            | Term::FillerWord
            | Term::Have
            | Term::Currency(_)
            | Term::List => is_whole,
            _ => false,
        }
    }

    /// Returns what a term means for this table, before the token at `next`.
    fn in_context(&self, next: usize, term: Term) -> PhraseKind {
        let is_records = self.vocabulary.is_records();
        match term {
            // "Over the last week" compares nothing.
            Term::Compare(Comparison::Above | Comparison::AtMost)
                if next < self.tokens.len() && self.period(next).is_some() =>
            {
                PhraseKind::Term(Term::FillerWord)
            }
            Term::Metric if is_records => PhraseKind::Table(WHOLE),
            Term::Metric => PhraseKind::Term(Term::FillerWord),
            Term::Alert if !is_records => PhraseKind::Unknown,
            Term::Rows if is_records => PhraseKind::Table(1),
            term => PhraseKind::Term(term),
        }
    }

    /// Reads `unpaid` as `not paid`, and `unshipped` as without a date of shipping.
    fn opposite(&self, token: &Token) -> Option<Vec<(usize, PhraseKind)>> {
        let positive = token.text.strip_prefix("un").filter(|rest| rest.len() > 2)?;
        let positive = Token { text: positive.to_owned(), stem: stem(positive), ..token.clone() };
        let (_, _, kind) = self.name(std::slice::from_ref(&positive))?;
        let is_flag = match &kind {
            PhraseKind::Columns(columns) => {
                let can_lack = |column| {
                    self.vocabulary.kind(column) == ColumnKind::Boolean
                        || self.vocabulary.is_date(column)
                };
                columns.iter().all(|column| can_lack(*column))
            }
            PhraseKind::Values(_) => true,
            _ => false,
        };
        is_flag.then(|| vec![(0, PhraseKind::Term(Term::Not)), (1, kind)])
    }
}
