//! The vocabulary of a table: its names, those of its columns, and their values, indexed by stems.

use std::collections::HashMap;

use metricd_core::schema::{ColumnKind, ColumnSamples, Table};

use crate::{
    lexicon::{Aggregate, Currency, lexicon, singular},
    tokens::{Token, TokenKind, stem, words_of},
};

/// The built-in table, which has synonyms of its own for its rows.
const RECORDS: &str = "metrics";

/// What a name refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Table,
    Column(usize),
    Value(usize, String),
}

/// A name of the table, of a column or of a value.
struct NamePhrase {
    /// Its stems in order, each replaced by the representative of its synonyms.
    meanings: Vec<String>,
    /// Its stems as spelled.
    stems: Vec<String>,
    words: Vec<String>,
    name: Name,
    /// How much of the full name it is: more is better.
    quality: u32,
    /// Whether it has a number: "4 stadiums" is not "Stadium 4".
    has_number: bool,
}

/// A name that tokens begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameMatch {
    /// Its number of tokens.
    pub(crate) taken: usize,
    pub(crate) quality: u32,
    pub(crate) name: Name,
    /// Whether it is spelled as in the schema, without synonyms.
    pub(crate) is_literal: bool,
}

/// The whole name.
pub(crate) const WHOLE: u32 = 4;
/// The name without generic prefixes and suffixes.
pub(crate) const CORE: u32 = 3;
/// A noun phrase of its comment.
pub(crate) const COMMENT: u32 = 2;
/// The last words of the name.
const PART: u32 = 1;

/// Words in the names of columns of births.
const BIRTH: [&str; 5] = ["birth", "birthdate", "birthday", "dob", "born"];

/// Words in the names of tables that link others.
const LINKS: [&str; 8] = ["in", "of", "for", "to", "has", "with", "on", "by"];

/// The names of one table, its columns and their values.
pub(crate) struct Vocabulary<'a> {
    pub(crate) table: &'a Table,
    samples: &'a ColumnSamples,
    phrases: Vec<NamePhrase>,
    /// The indices of the phrases that contain a stem.
    by_meaning: HashMap<String, Vec<usize>>,
    /// The words of the table's name before the last: a shorter name omits them.
    pub(crate) modifiers: Vec<String>,
}

impl<'a> Vocabulary<'a> {
    pub(crate) fn of(table: &'a Table, samples: &'a ColumnSamples) -> Self {
        let mut vocabulary = Self {
            table,
            samples,
            phrases: Vec::new(),
            by_meaning: HashMap::new(),
            modifiers: Vec::new(),
        };
        let words = words_of(&table.name.name);
        vocabulary.add(&words, Name::Table, WHOLE);
        if let Some((head, modifiers)) = words.split_last() {
            vocabulary.modifiers = modifiers.to_vec();
            // A `singer_in_concert` is no concert.
            let joins = |word: &String| LINKS.contains(&word.as_str());
            if !modifiers.is_empty() && !modifiers.iter().any(joins) {
                vocabulary.add(std::slice::from_ref(head), Name::Table, CORE);
            }
        }
        if let [rest @ .., last] = words.as_slice()
            && lexicon().table_suffixes.contains(last)
        {
            vocabulary.add(rest, Name::Table, CORE);
        }
        for phrase in noun_phrases(table.comment.as_deref()) {
            vocabulary.add(&phrase, Name::Table, COMMENT);
        }
        for (index, column) in table.columns.iter().enumerate() {
            vocabulary.add_column(index, &words_of(&column.name), column.comment.as_deref());
            for value in samples.of(&table.name, &column.name) {
                vocabulary.add_value(index, value);
            }
        }
        let names = |column: &usize| words_of(&table.columns[*column].name).len() == 1;
        if let Some(display) = vocabulary.display().filter(names)
            && !["name", "title"].contains(&table.columns[display].name.to_lowercase().as_str())
        {
            vocabulary.add(&["name".to_owned()], Name::Column(display), CORE);
        }
        vocabulary
    }

    fn add_column(&mut self, index: usize, words: &[String], comment: Option<&str>) {
        let name = Name::Column(index);
        self.add(words, name.clone(), WHOLE);
        let split = self.split(words);
        let words = split.as_deref().unwrap_or(words);
        self.add(words, name.clone(), WHOLE);
        if words.iter().any(|word| BIRTH.contains(&word.as_str())) {
            self.add(&["born".to_owned()], name.clone(), CORE);
        }
        if self.is_named_in_full(index) {
            self.add(core(words), name.clone(), CORE);
            return;
        }
        let content: Vec<String> =
            words.iter().filter(|word| !lexicon().is_filler_word(&stem(word))).cloned().collect();
        self.add(&content, name.clone(), CORE);
        if let [first, of, rest @ ..] = words
            && ["num", "number", "no", "count"].contains(&first.as_str())
            && of == "of"
        {
            self.add(rest, name.clone(), CORE);
        }
        let own = words_of(&self.table.name.name).last().map(|word| stem(word));
        if let [rest @ .., last] = words
            && last == "id"
            && rest.iter().all(|word| Some(stem(word)) == own)
        {
            self.add(std::slice::from_ref(last), name.clone(), CORE);
        }
        let core = core(words);
        self.add(core, name.clone(), CORE);
        if let [rest @ .., last] = words
            && !rest.is_empty()
            && lexicon().units.contains(last)
        {
            self.add(rest, name.clone(), CORE);
            self.add(&[rest, &["time".to_owned()]].concat(), name.clone(), CORE);
        }
        if let [rest @ .., last] = core
            && !rest.is_empty()
            && ["score", "rating", "rate", "level"].contains(&last.as_str())
        {
            self.add(rest, name.clone(), PART);
        }
        // "Released in 2005" is about `release_year`.
        if let [rest @ .., last] = core
            && !rest.is_empty()
            && last == "year"
        {
            self.add(rest, name.clone(), PART);
        }
        let head = without_participles(core);
        for start in 1..head.len() {
            self.add(&head[start..], name.clone(), PART);
            self.add(&core[start..], name.clone(), PART);
        }
        self.add(head, name.clone(), PART);
        for phrase in noun_phrases(comment) {
            self.add(&phrase, name.clone(), COMMENT);
            if let Some(last) = phrase.last().filter(|_| phrase.len() > 1) {
                self.add(std::slice::from_ref(last), name.clone(), PART);
            }
        }
    }

    /// Returns the aggregate that the values of a column are already: `max_guests`.
    pub(crate) fn aggregated(&self, column: usize) -> Option<Aggregate> {
        words_of(&self.table.columns[column].name)
            .iter()
            .find_map(|word| lexicon().aggregate(word))
            .filter(|_| self.kind(column) == ColumnKind::Number)
    }

    /// Whether a part of the name does not name the column: a room's guests are not its `max_guests`.
    fn is_named_in_full(&self, column: usize) -> bool {
        match self.aggregated(column) {
            Some(Aggregate::Sum) => {
                let words = words_of(&self.table.columns[column].name);
                let stems: Vec<String> = words.iter().map(|word| stem(word)).collect();
                lexicon().is_averaged(&stems)
            }
            aggregate => aggregate.is_some(),
        }
    }

    /// Whether the column holds a number of things: `copies`, `num_employees`.
    pub(crate) fn is_count(&self, column: usize) -> bool {
        const COUNTS: [&str; 7] = ["num", "number", "count", "cnt", "qty", "quantity", "n"];
        let words = words_of(&self.table.columns[column].name);
        let is_plural =
            core(&words).last().is_some_and(|word| singular(word) != *word && word != "stars");
        self.kind(column) == ColumnKind::Number
            && self.table.columns[column].ty.starts_with("int")
            && !self.is_key(column)
            && !matches!(self.aggregated(column), Some(aggregate) if aggregate != Aggregate::Sum)
            && (is_plural || words.iter().any(|word| COUNTS.contains(&word.as_str())))
    }

    /// Splits a name that was written together: `pettype`, `fname`.
    fn split(&self, words: &[String]) -> Option<Vec<String>> {
        const LAST: [&str; 9] =
            ["name", "code", "type", "date", "number", "level", "time", "count", "id"];
        let [word] = words else {
            return None;
        };
        let pair = |first: &str, last: &str| Some(vec![first.to_owned(), last.to_owned()]);
        match word.as_str() {
            "fname" | "firstname" => return pair("first", "name"),
            "lname" | "lastname" | "surname" => return pair("last", "name"),
            _ => {}
        }
        let of_table = words_of(&self.table.name.name).into_iter().last().and_then(|head| {
            let head = head.strip_suffix('s').unwrap_or(&head).to_owned();
            word.strip_prefix(&head)
                .filter(|rest| rest.len() > 1)
                .map(|rest| vec![head.clone(), rest.to_owned()])
        });
        of_table.or_else(|| {
            let last = LAST.iter().find(|last| word.ends_with(**last))?;
            let first = word.strip_suffix(last).filter(|first| first.len() > 3)?;
            pair(first, last)
        })
    }

    fn add_value(&mut self, column: usize, value: &str) {
        if !value.chars().any(char::is_alphabetic) {
            return;
        }
        let words = words_of(value);
        let name = Name::Value(column, value.to_owned());
        let content: Vec<String> =
            words.iter().filter(|word| !lexicon().is_filler_word(&stem(word))).cloned().collect();
        self.add(if content.is_empty() { &words } else { &content }, name, WHOLE);
    }

    fn add(&mut self, words: &[String], name: Name, quality: u32) {
        let stems: Vec<String> = words.iter().map(|word| stem(word)).collect();
        let meanings: Vec<String> =
            stems.iter().map(|stem| lexicon().meaning(stem).to_owned()).collect();
        let known = |phrase: &&NamePhrase| phrase.name == name && phrase.meanings == meanings;
        // The phrases of one name are adjacent but for the last, the best first.
        if stems.is_empty()
            || self.phrases.iter().rev().take_while(|p| p.name == name).any(|p| known(&p))
        {
            return;
        }
        for meaning in &meanings {
            let phrases = self.by_meaning.entry(meaning.clone()).or_default();
            if phrases.last() != Some(&self.phrases.len()) {
                phrases.push(self.phrases.len());
            }
        }
        let has_number = words.iter().any(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        let words = words.to_vec();
        self.phrases.push(NamePhrase { meanings, stems, words, name, quality, has_number });
    }

    /// Returns all names that `tokens` begin with.
    pub(crate) fn find(&self, tokens: &[Token]) -> Vec<NameMatch> {
        let Some(first) = tokens.first() else {
            return Vec::new();
        };
        if first.kind == TokenKind::Quoted {
            return self.quoted(&first.original);
        }
        let candidates = self.by_meaning.get(lexicon().meaning(&first.stem));
        let apart =
            candidates.into_iter().flatten().filter_map(|index| self.phrases[*index].at(tokens));
        let is_form = |found: &NameMatch| {
            found.name != Name::Table || self.is_noun(&tokens[found.taken - 1].text)
        };
        apart.filter(is_form).chain(self.together(tokens)).collect()
    }

    /// Whether a word that has the stem of the table's name is a form of it: a reviewer is no review.
    fn is_noun(&self, word: &str) -> bool {
        const ENDS: [&str; 5] = ["er", "or", "ed", "ing", "able"];
        let last = words_of(&self.table.name.name).pop().unwrap_or_default();
        let (singular, word) = (last.trim_end_matches('s'), word.trim_end_matches('s'));
        let is_other = |end: &&str| word.ends_with(*end) && !singular.ends_with(*end);
        stem(word) != stem(singular) || !ENDS.iter().any(is_other)
    }

    /// Returns the names that are two words of a sentence, written together: `surfacearea`.
    fn together(&self, tokens: &[Token]) -> Vec<NameMatch> {
        let [first, second, ..] = tokens else {
            return Vec::new();
        };
        if first.kind != TokenKind::Word || second.kind != TokenKind::Word {
            return Vec::new();
        }
        let joined = stem(&format!("{}{}", first.text, second.text));
        let whole = |index: &&usize| {
            let phrase = &self.phrases[**index];
            phrase.stems.len() == 1 && !matches!(phrase.name, Name::Value(..))
        };
        let candidates = self.by_meaning.get(&joined).into_iter().flatten().filter(whole);
        let found = candidates.map(|index| NameMatch {
            taken: 2,
            quality: self.phrases[*index].quality,
            name: self.phrases[*index].name.clone(),
            is_literal: true,
        });
        found.collect()
    }

    /// Returns the values that equal a quoted text, ignoring case.
    fn quoted(&self, text: &str) -> Vec<NameMatch> {
        let found = |name| NameMatch { taken: 1, quality: WHOLE, name, is_literal: true };
        let columns = self.table.columns.iter().enumerate();
        let values = columns.flat_map(|(index, column)| {
            let same = |value: &&String| value.to_lowercase() == text.to_lowercase();
            let values = self.samples.of(&self.table.name, &column.name).iter();
            values.filter(same).map(move |value| Name::Value(index, value.clone()))
        });
        values.map(found).collect()
    }

    /// Whether a value of a text column contains the word.
    pub(crate) fn has_value_word(&self, word: &str) -> bool {
        let meaning = stem(word);
        self.by_meaning.get(lexicon().meaning(&meaning)).is_some_and(|phrases| {
            phrases.iter().any(|index| matches!(self.phrases[*index].name, Name::Value(..)))
        })
    }

    /// Whether another value of the column contains a word of this stem too.
    pub(crate) fn is_in_other_values(&self, column: usize, value: &str, stem: &str) -> bool {
        self.by_meaning.get(lexicon().meaning(stem)).is_some_and(|phrases| {
            phrases.iter().any(|index| {
                matches!(&self.phrases[*index].name, Name::Value(c, v) if *c == column && v != value)
            })
        })
    }

    /// Returns the stems of the column's names.
    pub(crate) fn stems_of(&self, column: usize) -> Vec<String> {
        let named =
            self.phrases.iter().filter(|p| p.name == Name::Column(column) && p.quality != PART);
        named.flat_map(|phrase| phrase.stems.clone()).collect()
    }

    pub(crate) fn kind(&self, column: usize) -> ColumnKind {
        self.table.columns[column].kind
    }

    pub(crate) fn is_date(&self, column: usize) -> bool {
        use ColumnKind::{Date, Timestamp, TimestampTz};
        matches!(self.kind(column), Date | Timestamp | TimestampTz)
    }

    /// Returns the columns whose name has one of these words.
    pub(crate) fn columns_with(&self, words: &str) -> Vec<usize> {
        let has = |column: &usize| {
            words_of(&self.table.columns[*column].name)
                .iter()
                .any(|word| words.split(' ').any(|other| other == word))
        };
        (0..self.table.columns.len()).filter(has).collect()
    }

    /// Returns the currencies that the columns' names and comments mention.
    pub(crate) fn currencies(&self) -> Vec<Currency> {
        let columns = self.table.columns.iter();
        let texts = columns.flat_map(|column| [Some(&column.name), column.comment.as_ref()]);
        let words = texts.flatten().flat_map(|text| words_of(text));
        words.filter_map(|word| lexicon().currency(&stem(&word))).collect()
    }

    pub(crate) fn is_records(&self) -> bool {
        self.table.name.schema.is_none() && self.table.name.name == RECORDS
    }

    /// Whether a column is an identifier: its sum means nothing, nor does its size.
    pub(crate) fn is_key(&self, column: usize) -> bool {
        const LAST: [&str; 13] = [
            "id", "ids", "key", "no", "nr", "code", "number", "phone", "zip", "zipcode",
            "postcode", "uuid", "index",
        ];
        let name = &self.table.columns[column].name;
        let refers = self.table.foreign_keys.iter().any(|key| key.columns.contains(name));
        let words = words_of(name);
        let last = words.last().map_or("", String::as_str);
        refers
            || LAST.contains(&last)
            || (words.len() == 1 && last.len() > 2 && last.ends_with("id"))
    }

    /// Returns the index of a column.
    pub(crate) fn index_of(&self, name: &str) -> Option<usize> {
        self.table.columns.iter().position(|column| column.name == name)
    }

    /// Returns the column that names the rows for people.
    pub(crate) fn display(&self) -> Option<usize> {
        let head = words_of(&self.table.name.name).last().map(|word| stem(word));
        let words = |column: usize| words_of(&self.table.columns[column].name);
        let text = |column: &usize| self.kind(*column) == ColumnKind::Text;
        let columns = || (0..self.table.columns.len()).filter(text);
        columns()
            .find(|column| ["name", "title"].contains(&words(*column).join(" ").as_str()))
            .or_else(|| {
                let is_own = |words: &[String]| match words {
                    [first, last] => {
                        Some(stem(first)) == head && ["name", "title"].contains(&last.as_str())
                    }
                    [only] => Some(stem(only)) == head,
                    _ => false,
                };
                columns().find(|column| is_own(&words(*column)))
            })
    }

    /// Returns the column of dates that periods apply to where none is named.
    pub(crate) fn usual_date(&self) -> Option<usize> {
        const USUAL: [&str; 11] = [
            "date",
            "day",
            "timestamp",
            "time",
            "ts",
            "created",
            "occurred",
            "happened",
            "recorded",
            "opened",
            "placed",
        ];
        let name = words_of(&self.table.name.name);
        let is_other = |column: usize| {
            words_of(&self.table.columns[column].name)
                .iter()
                .any(|word| lexicon().other_dates.contains(word))
        };
        let columns = || {
            (0..self.table.columns.len())
                .filter(|column| self.is_date(*column) && !is_other(*column))
        };
        let is_usual = |column: &usize| {
            let words = words_of(&self.table.columns[*column].name);
            let first = words.first().map_or("", String::as_str);
            USUAL.contains(&first) || name.last().is_some_and(|name| stem(name) == stem(first))
        };
        columns().find(is_usual).or_else(|| columns().next())
    }

    /// Returns the column of dates at which a thing came about, such as `signed_up_at`.
    pub(crate) fn creation(&self) -> Option<usize> {
        const FIRST: [&str; 16] = [
            "created",
            "signed",
            "signup",
            "joined",
            "registered",
            "enrolled",
            "opened",
            "started",
            "hired",
            "launched",
            "installed",
            "founded",
            "added",
            "start",
            "hire",
            "join",
        ];
        let begins = |column: &usize| {
            let words = words_of(&self.table.columns[*column].name);
            self.is_date(*column)
                && words.first().is_some_and(|word| FIRST.contains(&word.as_str()))
        };
        let mut columns = (0..self.table.columns.len()).filter(begins);
        columns.next().filter(|_| columns.next().is_none())
    }

    /// Whether the rows are lines of others, such as the items of an order.
    pub(crate) fn is_line(&self) -> bool {
        const LAST: [&str; 6] = ["items", "item", "lines", "line", "details", "positions"];
        let words = words_of(&self.table.name.name);
        matches!(words.as_slice(), [first, .., last]
            if LAST.contains(&last.as_str()) && lexicon().is_event(first) == Some(true))
    }

    /// Whether the rows are of things that exist, such as customers, rather than of events, such as
    /// orders: an event is asked about in a window of time.
    pub(crate) fn is_thing(&self) -> bool {
        if self.is_line() {
            return false;
        }
        if let Some(is_event) = lexicon().is_event(&self.head()) {
            return !is_event;
        }
        let is_born = !self.births().is_empty();
        is_born || self.display().is_some() || !self.person_names().is_empty()
    }

    /// Returns the columns of births.
    pub(crate) fn births(&self) -> Vec<usize> {
        self.columns_with(&BIRTH.join(" "))
    }

    /// Returns the columns of the first and last names of people.
    pub(crate) fn person_names(&self) -> Vec<usize> {
        const LAST: [&str; 5] = ["last", "family", "surname", "lastname", "lname"];
        const FIRST: [&str; 6] = ["first", "given", "forename", "firstname", "fname", "middle"];
        let named = |words: &[&str]| {
            (0..self.table.columns.len()).find(|column| {
                let name = words_of(&self.table.columns[*column].name);
                let is_whole = matches!(name.as_slice(), [_])
                    || matches!(name.as_slice(), [_, last] if last == "name");
                self.kind(*column) == ColumnKind::Text
                    && is_whole
                    && words.contains(&name[0].as_str())
            })
        };
        match (named(&FIRST), named(&LAST)) {
            (Some(first), Some(last)) => vec![first, last],
            (None, Some(last)) => vec![last],
            _ => Vec::new(),
        }
    }

    /// Returns the head word of the table's name.
    pub(crate) fn head(&self) -> String {
        words_of(&self.table.name.name).pop().unwrap_or_default()
    }

    /// Returns the column that holds the money of the rows.
    pub(crate) fn money(&self) -> Option<usize> {
        let is_money = |name: &String| {
            self.index_of(name).filter(|column| self.kind(*column) == ColumnKind::Number)
        };
        lexicon().money_columns.iter().find_map(is_money).filter(|_| !self.is_thing())
    }
}

impl NamePhrase {
    /// Whether a word of the stem at `at` is another noun: a publisher is no `published_year`.
    fn is_other_noun(&self, at: usize, token: &Token) -> bool {
        self.stems[at] == token.stem && is_agent(&self.words[at]) != is_agent(&token.text)
    }

    /// Matches the phrase at the start of `tokens`: all of its words, in any order, with only filler words
    /// between them.
    fn at(&self, tokens: &[Token]) -> Option<NameMatch> {
        let mut left: Vec<usize> = (0..self.meanings.len()).collect();
        let mut is_literal = true;
        for (index, token) in tokens.iter().enumerate() {
            let is_word = matches!(token.kind, TokenKind::Word | TokenKind::Number(_));
            let meaning = lexicon().meaning(&token.stem);
            let next = left.iter().position(|at| {
                is_word && self.meanings[*at] == meaning && !self.is_other_noun(*at, token)
            });
            // Word order matters for tables: "tickets opened" does not mean `open_tickets`.
            let in_order = self.name == Name::Table || self.has_number;
            match next.filter(|position| *position == 0 || !in_order) {
                Some(position) => {
                    is_literal &= self.stems[left.remove(position)] == token.stem;
                    if left.is_empty() {
                        return Some(NameMatch {
                            taken: index + 1,
                            quality: self.quality,
                            name: self.name.clone(),
                            is_literal,
                        });
                    }
                }
                None if index > 0 && lexicon().is_filler_word(&token.stem) => {}
                None => return None,
            }
        }
        None
    }
}

/// Whether a word names who does what its stem says: `publisher`.
fn is_agent(word: &str) -> bool {
    let word = singular(word);
    let stem = stem(&word);
    ["er", "or"].iter().any(|end| word.ends_with(end) && !stem.ends_with(end))
}

/// Strips generic prefixes and suffixes: `is_…`, `…_at`, `…_name`.
fn core(words: &[String]) -> &[String] {
    let lexicon = lexicon();
    let mut words = words;
    while let [first, rest @ ..] = words {
        if rest.is_empty() || !lexicon.prefixes.contains(first) {
            break;
        }
        words = rest;
    }
    while let [rest @ .., last] = words {
        if rest.is_empty() || !lexicon.suffixes.contains(last) {
            break;
        }
        words = rest;
    }
    words
}

/// Strips participles from the end: `parts flagged` becomes `parts`.
fn without_participles(words: &[String]) -> &[String] {
    match words {
        [rest @ .., last] if !rest.is_empty() && is_participle(last) => without_participles(rest),
        words => words,
    }
}

fn is_participle(word: &str) -> bool {
    (word.len() > 4 && word.ends_with("ed")) || lexicon().participles.contains(word)
}

/// Returns the noun phrases at the start of a comment and after its commas.
fn noun_phrases(comment: Option<&str>) -> Vec<Vec<String>> {
    const ENDS: [&str; 22] = [
        "in", "of", "for", "from", "with", "without", "that", "which", "when", "where", "at", "by",
        "to", "on", "as", "per", "is", "are", "if", "whether", "what", "who",
    ];
    let parts = comment.unwrap_or_default().split([',', ';', ':', '.', '(', ')', '/', '\n']);
    let phrases = parts.map(|part| {
        let words = words_of(part).into_iter().take_while(|word| !ENDS.contains(&word.as_str()));
        words.filter(|word| !["the", "a", "an"].contains(&word.as_str())).collect::<Vec<_>>()
    });
    phrases.filter(|phrase| !phrase.is_empty() && phrase.len() <= 4).collect()
}
