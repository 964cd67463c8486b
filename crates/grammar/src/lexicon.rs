//! The lexicon, read from `words.txt`: the terms of questions, synonyms, and words of other uses.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use super::tokens::{Token, stem};

/// Words in the names of columns of births.
pub(crate) const BIRTH: [&str; 5] = ["birth", "birthdate", "birthday", "dob", "born"];

/// The function of a phrase in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Term {
    Count,
    /// `how much`
    Much,
    Aggregate(Aggregate),
    Share,
    Ratio,
    /// `refund rate`
    Rate,
    Distinct,
    /// `highest`: an aggregate, or a ranking.
    Extreme(Direction),
    /// `oldest`, with the words of the columns that it may mean.
    Superlative(Direction, &'static str),
    /// `older than`
    Comparative(Comparison, &'static str),
    /// `most orders`
    Most(Direction),
    /// `most common type`
    Common(Direction),
    /// `top 5`
    Top(Direction),
    /// `best selling`
    Selling,
    /// `latest`
    Recent,
    By,
    OrderBy,
    Alphabetical,
    /// `in descending order`
    Sorted(Direction),
    /// `month`
    BucketNoun(Bucket),
    /// `monthly`
    BucketGrouping(Bucket),
    Not,
    Without,
    With,
    /// `have`: mostly an auxiliary.
    Have,
    Compare(Comparison),
    Between,
    And,
    Or,
    Which,
    Clause,
    Be,
    Weekend,
    New,
    List,
    /// A word for the rows of any table.
    Rows,
    /// A word for the rows of the built-in table.
    Metric,
    Alert,
    /// A unit of amounts: amounts in another one are not meant.
    Currency(Currency),
    Lead,
    Article,
    Tail,
    Auxiliary,
    Preposition,
    /// `placed by`: one thing belongs to another.
    Relation,
    FillerWord,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Currency {
    Euro,
    Dollar,
    Pound,
}

impl Term {
    /// Whether it may stand within a name, between its words.
    pub(crate) fn is_filler(self) -> bool {
        matches!(
            self,
            Self::FillerWord
                | Self::Have
                | Self::Currency(_)
                | Self::Lead
                | Self::Article
                | Self::Tail
                | Self::Auxiliary
                | Self::Preposition
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Median,
    Minimum,
    Maximum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    Highest,
    Lowest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bucket {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
    Equal,
}

impl Direction {
    /// Returns the aggregate that gives the highest or lowest value.
    pub(crate) fn aggregate(self) -> Aggregate {
        match self {
            Self::Highest => Aggregate::Maximum,
            Self::Lowest => Aggregate::Minimum,
        }
    }

    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Highest => Self::Lowest,
            Self::Lowest => Self::Highest,
        }
    }
}

impl Bucket {
    /// Returns the output column's name, which is also PostgreSQL's field of `date_trunc`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

impl Comparison {
    /// Returns PostgreSQL's operator.
    pub(crate) fn operator(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Equal => "=",
        }
    }
}

/// The contents of `words.txt`.
#[derive(Default)]
pub(crate) struct Lexicon {
    /// The phrases of terms by their first stem, longest first.
    phrases: HashMap<String, Vec<TermPhrase>>,
    /// Maps a stem to the representative of its synonyms.
    same: HashMap<String, String>,
    pub(crate) suffixes: HashSet<String>,
    pub(crate) prefixes: HashSet<String>,
    pub(crate) table_suffixes: HashSet<String>,
    /// Units of time at the end of names: `response_minutes` is a response time.
    pub(crate) units: HashSet<String>,
    /// The units of measures, each with its abbreviation.
    measured: HashMap<String, String>,
    pub(crate) participles: HashSet<String>,
    /// Stems of measures that are averaged by default.
    averaged: Vec<Vec<String>>,
    /// Stems of measures that usually mean a sum.
    flows: HashSet<String>,
    /// What the money of a table's rows is called, in stems: where it comes in, and where it goes out.
    money: Vec<Vec<String>>,
    spent: Vec<Vec<String>>,
    /// The rows by which money comes in, and goes out.
    earning_rows: HashSet<String>,
    spending_rows: HashSet<String>,
    /// The names of columns that hold it, the best first.
    pub(crate) money_columns: Vec<String>,
    /// Stems of measures that mean nothing unless an aggregate is said.
    unclear: HashSet<String>,
    /// Words of columns whose values are aggregates already.
    aggregates: HashMap<String, Aggregate>,
    pub(crate) free_texts: HashSet<String>,
    /// Whole words, in the singular, as one stem may have two meanings: a booking is no book.
    events: HashSet<String>,
    things: HashSet<String>,
    money_rows: HashSet<String>,
    unclear_rows: HashSet<String>,
    /// Words of dates that rows are not asked about unless these are named.
    pub(crate) other_dates: HashSet<String>,
    /// Words of dates since which things exist.
    pub(crate) founding: HashSet<String>,
}

struct TermPhrase {
    words: Vec<String>,
    stems: Vec<String>,
    term: Term,
}

/// Returns the lexicon, parsed once.
pub(crate) fn lexicon() -> &'static Lexicon {
    static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(include_str!("words.txt")));
    &LEXICON
}

impl Lexicon {
    fn read(text: &'static str) -> Self {
        let mut lexicon = Self::default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        for (name, phrases) in lines.filter_map(|line| line.split_once(": ")) {
            let phrases = phrases.split(',').map(str::trim).filter(|phrase| !phrase.is_empty());
            match (name, term(name)) {
                (_, Some(term)) => phrases.for_each(|phrase| lexicon.add(phrase, term)),
                ("superlative" | "comparative", _) => {
                    for (phrase, term) in phrases.filter_map(|phrase| graded(name, phrase)) {
                        lexicon.add(phrase, term);
                    }
                }
                ("same", _) => {
                    let words: Vec<&str> = phrases.collect();
                    if words.iter().any(|word| lexicon.things.contains(*word)) {
                        lexicon.things.extend(words.iter().map(|word| (*word).to_owned()));
                    }
                    let stems: Vec<String> = words.into_iter().map(stem).collect();
                    for stem in &stems {
                        lexicon.same.insert(stem.clone(), stems[0].clone());
                    }
                }
                ("suffix", _) => lexicon.suffixes.extend(phrases.map(str::to_owned)),
                ("measured in", _) => {
                    let words: Vec<&str> = phrases.collect();
                    let unit = |word: &&str| ((*word).to_owned(), words[0].to_owned());
                    lexicon.measured.extend(words.iter().map(unit));
                }
                ("unit", _) => lexicon.units.extend(phrases.map(str::to_owned)),
                ("table suffix", _) => {
                    lexicon.table_suffixes.extend(phrases.map(str::to_owned));
                }
                ("prefix", _) => lexicon.prefixes.extend(phrases.map(str::to_owned)),
                ("participle", _) => lexicon.participles.extend(phrases.map(str::to_owned)),
                ("flow", _) => lexicon.flows.extend(phrases.map(stem)),
                ("averaged", _) => lexicon.averaged.extend(phrases.map(stems)),
                ("money", _) => lexicon.money.extend(phrases.map(stems)),
                ("spent", _) => lexicon.spent.extend(phrases.map(stems)),
                ("earning rows", _) => lexicon.earning_rows.extend(phrases.map(str::to_owned)),
                ("spending rows", _) => lexicon.spending_rows.extend(phrases.map(str::to_owned)),
                ("money column", _) => lexicon.money_columns.extend(phrases.map(str::to_owned)),
                ("unclear", _) => lexicon.unclear.extend(phrases.map(stem)),
                ("free text", _) => lexicon.free_texts.extend(phrases.map(str::to_owned)),
                ("event", _) => lexicon.events.extend(phrases.map(str::to_owned)),
                ("thing", _) => lexicon.things.extend(phrases.map(str::to_owned)),
                ("money rows", _) => lexicon.money_rows.extend(phrases.map(str::to_owned)),
                ("unclear rows", _) => lexicon.unclear_rows.extend(phrases.map(str::to_owned)),
                ("other dates", _) => lexicon.other_dates.extend(phrases.map(str::to_owned)),
                ("founding", _) => lexicon.founding.extend(phrases.map(str::to_owned)),
                _ => {
                    if let Some(aggregate) = column_aggregate(name) {
                        let words = phrases.map(|word| (word.to_owned(), aggregate));
                        lexicon.aggregates.extend(words);
                    }
                }
            }
        }
        for phrases in lexicon.phrases.values_mut() {
            phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.stems.len()));
        }
        lexicon
    }

    fn add(&mut self, phrase: &str, term: Term) {
        let stems = stems(phrase);
        if let Some(first) = stems.first() {
            let words = phrase.split(' ').map(str::to_owned).collect();
            self.phrases.entry(first.clone()).or_default().push(TermPhrase { words, stems, term });
        }
    }

    /// Returns the longest phrase that `tokens` begin with: its length and term.
    pub(crate) fn term(&self, tokens: &[Token]) -> Option<(usize, Term)> {
        let phrases = self.phrases.get(&tokens.first()?.stem)?;
        let begins = |phrase: &&TermPhrase| {
            // "Orders by month" is no order, and a rating is no rate.
            let is_exact = matches!(phrase.term, Term::OrderBy | Term::Rate);
            // "Returned orders" asks for no return of them.
            let is_participle = matches!(phrase.term, Term::List | Term::Lead)
                && tokens[0].text.ends_with("ed")
                && phrase.words.first() != Some(&tokens[0].text);
            tokens.len() >= phrase.stems.len()
                && !is_participle
                && phrase.stems.iter().zip(tokens).all(|(stem, token)| *stem == token.stem)
                && (!is_exact
                    || phrase.words.iter().zip(tokens).all(|(word, token)| *word == token.text))
        };
        let found = phrases.iter().find(begins)?;
        // `weekly` and `week` have one stem: among equals, prefer the exact spelling.
        let is_spelled = |phrase: &&TermPhrase| {
            phrase.words.len() == found.words.len()
                && phrase.words.iter().zip(tokens).all(|(word, token)| *word == token.text)
        };
        let found = phrases.iter().find(is_spelled).unwrap_or(found);
        Some((found.stems.len(), found.term))
    }

    /// Returns the abbreviation of a unit of measures.
    pub(crate) fn unit(&self, word: &str) -> Option<&str> {
        self.measured.get(word).map(String::as_str)
    }

    /// Returns the representative of a stem's synonyms.
    pub(crate) fn meaning<'a>(&'a self, stem: &'a str) -> &'a str {
        self.same.get(stem).map_or(stem, String::as_str)
    }

    /// Returns all words of its phrases.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.phrases.values().flatten().flat_map(|phrase| &phrase.words).map(String::as_str)
    }

    /// Returns the currency that a single word means.
    pub(crate) fn currency(&self, stem: &str) -> Option<Currency> {
        self.phrases.get(stem)?.iter().find_map(|phrase| match phrase.term {
            Term::Currency(currency) => Some(currency),
            _ => None,
        })
    }

    /// Whether a single word is a filler.
    pub(crate) fn is_filler_word(&self, stem: &str) -> bool {
        self.phrases.get(stem).is_some_and(|phrases| {
            phrases.iter().any(|phrase| {
                phrase.stems.len() == 1
                    && (phrase.term.is_filler()
                        || matches!(phrase.term, Term::Clause | Term::Be | Term::And))
            })
        })
    }

    /// Whether the first `taken` of `tokens` are spelled as a phrase of the lexicon.
    pub(crate) fn is_spelled(&self, tokens: &[Token], taken: usize) -> bool {
        let is_phrase = |phrase: &TermPhrase| {
            phrase.words.len() == taken
                && phrase.words.iter().zip(tokens).all(|(word, token)| *word == token.text)
        };
        let phrases = tokens.first().and_then(|token| self.phrases.get(&token.stem));
        phrases.is_some_and(|phrases| phrases.iter().any(is_phrase))
    }

    /// Whether a word means a sum rather than single rows.
    pub(crate) fn is_flow(&self, stem: &str) -> bool {
        self.flows.iter().any(|flow| self.meaning(flow) == self.meaning(stem))
    }

    /// Returns the length of the longest word that `tokens` begin with for the money of rows of this head word.
    pub(crate) fn money(&self, tokens: &[Token], head: &str) -> Option<usize> {
        let head = singular(head);
        let begins = |words: &&Vec<String>| {
            tokens.len() >= words.len()
                && words.iter().zip(tokens).all(|(stem, token)| *stem == token.stem)
        };
        let earned = self.money.iter().filter(|_| self.earning_rows.contains(&head));
        let spent = self.spent.iter().filter(|_| self.spending_rows.contains(&head));
        earned.chain(spent).filter(begins).map(Vec::len).max()
    }

    /// Whether a table of this head word holds events rather than things; `None` if that is not known.
    pub(crate) fn is_event(&self, word: &str) -> Option<bool> {
        let word = singular(word);
        if self.things.contains(&word) {
            return Some(false);
        }
        self.events.contains(&word).then_some(true)
    }

    /// Whether rows of this head word are amounts of money; `None` if they may be.
    pub(crate) fn is_money_row(&self, word: &str) -> Option<bool> {
        let word = singular(word);
        let is_known = self.events.contains(&word) || self.things.contains(&word);
        if self.money_rows.contains(&word) {
            return Some(true);
        }
        (is_known && !self.unclear_rows.contains(&word)).then_some(false)
    }

    /// Returns the aggregate that the values of a column with this word are already.
    pub(crate) fn aggregate(&self, word: &str) -> Option<Aggregate> {
        self.aggregates.get(word).copied()
    }

    /// Whether a measure with one of these stems needs an aggregate that is said.
    pub(crate) fn is_unclear(&self, stems: &[String]) -> bool {
        stems.iter().any(|stem| self.unclear.contains(stem))
    }

    /// Whether a measure with these stems is averaged by default.
    pub(crate) fn is_averaged(&self, stems: &[String]) -> bool {
        self.averaged
            .iter()
            .any(|averaged| stems.windows(averaged.len()).any(|part| part == averaged))
    }
}

fn stems(phrase: &str) -> Vec<String> {
    phrase.split(' ').map(stem).collect()
}

/// Returns the singular of a noun in lower case.
pub(crate) fn singular(word: &str) -> String {
    const ODD: [(&str, &str); 6] = [
        ("people", "person"),
        ("men", "man"),
        ("women", "woman"),
        ("children", "child"),
        ("series", "series"),
        ("species", "species"),
    ];
    if let Some((_, singular)) = ODD.iter().find(|(plural, _)| *plural == word) {
        return (*singular).to_owned();
    }
    if let Some(rest) = word.strip_suffix("ies").filter(|rest| rest.len() > 1) {
        return format!("{rest}y");
    }
    let is_singular = ["ss", "us", "is"].iter().any(|end| word.ends_with(end));
    let long = ["sses", "shes", "ches", "xes", "zes"].iter().any(|end| word.ends_with(end));
    match word.strip_suffix(if long { "es" } else { "s" }) {
        Some(rest) if !is_singular && rest.len() > 1 => rest.to_owned(),
        _ => word.to_owned(),
    }
}

fn column_aggregate(name: &str) -> Option<Aggregate> {
    Some(match name {
        "column maximum" => Aggregate::Maximum,
        "column minimum" => Aggregate::Minimum,
        "column average" => Aggregate::Average,
        "column median" => Aggregate::Median,
        "column sum" => Aggregate::Sum,
        _ => return None,
    })
}

/// Parses `oldest = highest age` or `older than = above age`.
fn graded(name: &str, text: &'static str) -> Option<(&'static str, Term)> {
    let (phrase, meaning) = text.split_once(" = ")?;
    let (grade, columns) = meaning.split_once(' ')?;
    let term = match (name, term(grade)?) {
        ("superlative", Term::Extreme(direction)) => Term::Superlative(direction, columns),
        ("comparative", Term::Compare(comparison)) => Term::Comparative(comparison, columns),
        _ => return None,
    };
    Some((phrase, term))
}

fn term(name: &str) -> Option<Term> {
    use Direction::{Highest, Lowest};
    if let Some((bucket, role)) = name.split_once(' ') {
        let bucket = match bucket {
            "day" => Some(Bucket::Day),
            "week" => Some(Bucket::Week),
            "month" => Some(Bucket::Month),
            "quarter" => Some(Bucket::Quarter),
            "year" => Some(Bucket::Year),
            _ => None,
        };
        match (bucket, role) {
            (Some(bucket), "noun") => return Some(Term::BucketNoun(bucket)),
            (Some(bucket), _) => return Some(Term::BucketGrouping(bucket)),
            (None, _) => {}
        }
    }
    Some(match name {
        "count" => Term::Count,
        "much" => Term::Much,
        "sum" => Term::Aggregate(Aggregate::Sum),
        "average" => Term::Aggregate(Aggregate::Average),
        "median" => Term::Aggregate(Aggregate::Median),
        "minimum" => Term::Aggregate(Aggregate::Minimum),
        "maximum" => Term::Aggregate(Aggregate::Maximum),
        "share" => Term::Share,
        "ratio" => Term::Ratio,
        "rate" => Term::Rate,
        "distinct" => Term::Distinct,
        "highest" => Term::Extreme(Highest),
        "lowest" => Term::Extreme(Lowest),
        "most" => Term::Most(Highest),
        "fewest" => Term::Most(Lowest),
        "common" => Term::Common(Highest),
        "rare" => Term::Common(Lowest),
        "top" => Term::Top(Highest),
        "bottom" => Term::Top(Lowest),
        "selling" => Term::Selling,
        "recent" => Term::Recent,
        "by" => Term::By,
        "order" => Term::OrderBy,
        "alphabetical" => Term::Alphabetical,
        "ascending" => Term::Sorted(Lowest),
        "descending" => Term::Sorted(Highest),
        "above" => Term::Compare(Comparison::Above),
        "at least" => Term::Compare(Comparison::AtLeast),
        "below" => Term::Compare(Comparison::Below),
        "at most" => Term::Compare(Comparison::AtMost),
        "equal" => Term::Compare(Comparison::Equal),
        "euro" => Term::Currency(Currency::Euro),
        "dollar" => Term::Currency(Currency::Dollar),
        "pound" => Term::Currency(Currency::Pound),
        _ => return connective(name),
    })
}

/// Returns the terms that join others.
fn connective(name: &str) -> Option<Term> {
    Some(match name {
        "not" => Term::Not,
        "without" => Term::Without,
        "with" => Term::With,
        "have" => Term::Have,
        "between" => Term::Between,
        "and" => Term::And,
        "or" => Term::Or,
        "which" => Term::Which,
        "clause" => Term::Clause,
        "be" => Term::Be,
        "weekend" => Term::Weekend,
        "new" => Term::New,
        "list" => Term::List,
        "rows" => Term::Rows,
        "metric" => Term::Metric,
        "alert" => Term::Alert,
        "lead" => Term::Lead,
        "article" => Term::Article,
        "tail" => Term::Tail,
        "auxiliary" => Term::Auxiliary,
        "preposition" => Term::Preposition,
        "relation" => Term::Relation,
        "filler" => Term::FillerWord,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_words_is_read() {
        let known = [
            "same",
            "table suffix",
            "suffix",
            "prefix",
            "unit",
            "participle",
            "averaged",
            "flow",
            "money",
            "spent",
            "earning rows",
            "spending rows",
            "money column",
            "event",
            "thing",
            "superlative",
            "comparative",
            "unclear",
            "free text",
            "money rows",
            "unclear rows",
            "other dates",
            "founding",
            "measured in",
        ];
        let mut phrases = HashMap::new();
        for line in include_str!("words.txt").lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, list) = line.split_once(": ").expect(line);
            let is_known = known.contains(&name) || column_aggregate(name).is_some();
            assert!(term(name).is_some() || is_known, "{name}");
            if let Some(term) = term(name) {
                for phrase in list.split(", ") {
                    let other = phrases.insert(phrase, term);
                    assert!(other.is_none_or(|other| other == term), "{phrase} means two things");
                }
            }
            for phrase in
                list.split(", ").filter(|_| ["superlative", "comparative"].contains(&name))
            {
                assert!(graded(name, phrase).is_some(), "{phrase}");
            }
        }
    }
    #[test]
    fn no_word_is_both_an_event_and_a_thing() {
        let lexicon = lexicon();
        let both: Vec<_> = lexicon.events.intersection(&lexicon.things).collect();
        assert!(both.is_empty(), "{both:?}");
        let both: Vec<_> = lexicon.money_rows.intersection(&lexicon.unclear_rows).collect();
        assert!(both.is_empty(), "{both:?}");
        for word in lexicon.events.iter().chain(&lexicon.things) {
            assert_eq!(singular(word), *word, "it is not in the singular");
        }
        assert_eq!(lexicon.is_event("bookings"), Some(true));
        assert_eq!(lexicon.is_event("books"), Some(false));
        assert_eq!(lexicon.is_event("reviews"), Some(true));
        assert_eq!(lexicon.is_event("reviewers"), Some(false));
        assert_eq!(lexicon.is_event("clients"), Some(false));
    }

    #[test]
    fn the_singular_of_nouns() {
        for (plural, expected) in [
            ("cities", "city"),
            ("classes", "class"),
            ("boxes", "box"),
            ("houses", "house"),
            ("people", "person"),
            ("status", "status"),
            ("analysis", "analysis"),
            ("series", "series"),
            ("bus", "bus"),
        ] {
            assert_eq!(singular(plural), expected);
        }
    }
}
