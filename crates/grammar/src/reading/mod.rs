//! Reads the phrases of a sentence as a question, by recursive descent: each form of question is tried
//! until one takes every phrase.
//!
//! Must never skip a phrase that has a meaning: the query would answer another question.

mod comparisons;
mod finish;
mod groups;
mod lists;
mod measures;
mod modifiers;
mod nouns;
mod question;
mod ranks;
mod states;
mod superlatives;
mod window;

use std::ops::Range;

use chrono::NaiveDate;
use question::Question;

use crate::{
    faults::Misfit,
    lexicon::{Aggregate, Term, singular},
    periods::Period,
    phrases::{Names, Phrase, PhraseKind, phrases},
    plan::{Measure, Plan},
    scope::TableScope,
    tokens::{Token, stem},
};

/// A possible reading of the sentence.
pub(crate) struct Candidate<'p, 'a> {
    pub(crate) plan: Plan<'p, 'a>,
    /// How much of the table's name is given: 0 for nothing.
    pub(crate) named: u32,
    /// The number of names of columns and values.
    pub(crate) grounds: usize,
    /// The number of phrases: fewer are better, each covers more.
    pub(crate) phrases: usize,
}

impl Candidate<'_, '_> {
    /// Whether all that is asked for is the money of the rows.
    pub(crate) fn is_of_money(&self) -> bool {
        let money = self.plan.scope.base().money();
        let is_money =
            |measure: &Measure| matches!(measure, Measure::Of(_, column) if Some(*column) == money);
        !self.plan.measures.is_empty() && self.plan.measures.iter().all(is_money)
    }
}

/// Reads `tokens` as a question about the first table of `scope`.
pub(crate) fn read<'p, 'a>(
    scope: &'p TableScope<'a>,
    tokens: &[Token],
    today: NaiveDate,
) -> Result<Candidate<'p, 'a>, Misfit> {
    let phrases = phrases(scope, tokens, today);
    let mut parse = Parse {
        scope,
        tokens,
        today,
        phrases: &phrases,
        at: 0,
        question: Question::default(),
        furthest: 0,
        reason: None,
        leaves_table: false,
        is_in_parent: false,
        listed: Vec::new(),
    };
    let is_known = !phrases.iter().any(|phrase| phrase.kind == PhraseKind::Unknown);
    if is_known && parse.question() {
        let mut question = std::mem::take(&mut parse.question);
        // "All orders" are those of all time.
        if question.period.is_none() && !scope.base().is_thing() && parse.says_all() {
            question.period = Some(Period::AllTime);
        }
        let (named, grounds) = (question.named, question.grounds);
        match finish::plan(scope, &mut question) {
            Ok(plan) => return Ok(Candidate { plan, named, grounds, phrases: phrases.len() }),
            Err(reason) => parse.reason = Some((usize::MAX, reason)),
        }
    }
    Err(parse.misfit())
}

struct Parse<'p, 's, 'a> {
    scope: &'s TableScope<'a>,
    tokens: &'p [Token],
    today: NaiveDate,
    phrases: &'p [Phrase],
    at: usize,
    question: Question,
    /// The last phrase that was reached by any form of question.
    furthest: usize,
    /// The first contradiction of the sentence, with its phrase.
    reason: Option<(usize, String)>,
    /// Whether the table after a column is read apart from it.
    leaves_table: bool,
    /// Whether what is read is said of the rows that are referred to.
    is_in_parent: bool,
    /// The phrases of the columns that were last listed.
    listed: Vec<Range<usize>>,
}

impl Parse<'_, '_, '_> {
    fn question(&mut self) -> bool {
        self.leads();
        let forms: [fn(&mut Self) -> bool; 10] = [
            Self::ratio,
            Self::share,
            Self::rate,
            Self::newest,
            Self::ranking,
            Self::subject,
            Self::numbers,
            Self::pairs,
            Self::list,
            Self::rows,
        ];
        forms.into_iter().any(|form| self.attempt(|parse| form(parse) && parse.rest()))
    }

    /// Reads a part, or leaves everything as it was.
    fn attempt(&mut self, part: impl FnOnce(&mut Self) -> bool) -> bool {
        let (at, question) = (self.at, self.question.clone());
        if part(self) {
            return true;
        }
        self.at = at;
        self.question = question;
        false
    }

    /// Reads requests such as `please show me`.
    fn leads(&mut self) {
        while self.term(|term| matches!(term, Term::Lead | Term::Tail)).is_some() {}
    }

    fn phrase(&mut self) -> Option<&Phrase> {
        self.furthest = self.furthest.max(self.at);
        self.phrases.get(self.at)
    }

    fn kind(&mut self) -> Option<PhraseKind> {
        self.phrase().map(|phrase| phrase.kind.clone())
    }

    /// Returns the kind of the phrase that is so many phrases ahead.
    fn ahead(&self, count: usize) -> Option<&PhraseKind> {
        self.phrases.get(self.at + count).map(|phrase| &phrase.kind)
    }

    /// Returns what the name at hand may mean.
    fn names(&mut self) -> Option<Names> {
        match self.kind()? {
            PhraseKind::Name(names) => Some(names),
            _ => None,
        }
    }

    /// Reads a term that suits.
    fn term(&mut self, suits: impl Fn(Term) -> bool) -> Option<Term> {
        match self.kind()? {
            PhraseKind::Term(term) if suits(term) => {
                self.at += 1;
                Some(term)
            }
            _ => None,
        }
    }

    fn is_term(&mut self, term: Term) -> bool {
        self.term(|other| other == term).is_some()
    }

    /// Reads a term whose text is one of these.
    fn word(&mut self, words: &[&str]) -> bool {
        let is_one = words.contains(&self.text(self.at).as_str());
        self.furthest = self.furthest.max(self.at);
        self.at += usize::from(is_one);
        is_one
    }

    fn articles(&mut self) {
        while self.is_term(Term::Article) {}
    }

    fn prepositions(&mut self) {
        while self
            .term(|term| matches!(term, Term::Article | Term::Preposition | Term::Auxiliary))
            .is_some()
        {}
    }

    /// Returns the text of a phrase, in lower case.
    fn text(&self, at: usize) -> String {
        let words = self.tokens_of(at).iter().map(|token| token.text.as_str());
        words.collect::<Vec<_>>().join(" ")
    }

    fn tokens_of(&self, at: usize) -> &[Token] {
        match self.phrases.get(at) {
            Some(phrase) => &self.tokens[phrase.start..phrase.start + phrase.taken],
            None => &[],
        }
    }

    fn is_plural(&self, at: usize) -> bool {
        let last = self.tokens_of(at).last();
        last.is_some_and(|token| {
            singular(&token.text) != token.text
                && (!token.text.ends_with('s') || stem(&token.text) != token.text)
        })
    }

    fn is_after_comma(&self) -> bool {
        self.tokens_of(self.at).first().is_some_and(|token| token.after_comma)
    }

    fn number(&mut self) -> Option<String> {
        match self.kind()? {
            PhraseKind::Number(number) => {
                self.at += 1;
                Some(number)
            }
            _ => None,
        }
    }

    /// Records why a sentence that could be read otherwise is not.
    fn refuse(&mut self, reason: impl Into<String>) -> bool {
        if self.reason.as_ref().is_none_or(|(first, _)| self.at < *first) {
            self.reason = Some((self.at, reason.into()));
        }
        false
    }

    /// Reads what follows a question until its end.
    fn rest(&mut self) -> bool {
        while self.at < self.phrases.len() {
            if !self.modifier() {
                return false;
            }
        }
        if self.question.rank.is_some_and(|rank| rank.is_open) {
            return self.refuse("it does not say by what they are ranked");
        }
        !self.question.needs_group || !self.question.dimensions.is_empty()
    }

    /// Whether all of the rows are asked for: "all orders", "list all".
    pub(super) fn says_all(&self) -> bool {
        let is_all = |at: usize| {
            let words = self.text(at);
            words.split(' ').any(|word| ["all", "overall"].contains(&word))
        };
        (0..self.phrases.len()).any(|at| {
            let kind = &self.phrases[at].kind;
            let takes = |term: &Term| {
                matches!(term, Term::Article | Term::List | Term::Aggregate(Aggregate::Sum))
            };
            matches!(kind, PhraseKind::Term(term) if takes(term)) && is_all(at)
        })
    }

    fn misfit(&self) -> Misfit {
        let is_unknown = |phrase: &&Phrase| phrase.kind == PhraseKind::Unknown;
        let unknown: Vec<&Phrase> = self.phrases.iter().filter(is_unknown).collect();
        // What was read to its end has no form of question.
        let stuck = self.phrases.get(self.furthest).or(self.phrases.last());
        let is_unknown = !unknown.is_empty();
        let stuck = stuck.filter(|_| !is_unknown);
        let words = unknown
            .into_iter()
            .chain(stuck)
            .flat_map(|phrase| self.tokens[phrase.start..phrase.start + phrase.taken].iter());
        let words: Vec<String> = words.map(|token| token.original.clone()).collect();
        let named = |phrase: &Phrase| match &phrase.kind {
            PhraseKind::Name(names) => (names.base, 1),
            PhraseKind::Term(Term::Alert) => (2, 0),
            _ => (0, 0),
        };
        let all = || self.phrases.iter().map(named);
        Misfit {
            table: self.scope.base().table.name.to_string(),
            words,
            is_unknown,
            reason: self.reason.as_ref().map(|(_, reason)| reason.clone()),
            named: all().map(|(named, _)| named).max().unwrap_or(0),
            grounds: all().map(|(_, grounds)| grounds).sum(),
            reached: self.furthest,
        }
    }
}
