//! The vocabulary of a table: its names, those of its columns, and their values, indexed by stems.

mod roles;

use std::collections::HashMap;

use metricd_core::schema::{ColumnSamples, Table, TableColumn};

use crate::{
    lexicon::{BIRTH, lexicon, singular},
    tokens::{Token, TokenKind, stem, words_of},
};

/// What a name refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Table,
    Column(usize),
    Value(usize, String),
    /// The first and last names of people, in two columns.
    OfPerson,
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
            // The rows of `river_states` are no states.
            let refers = |column: &TableColumn| {
                table.foreign_keys.iter().any(|key| key.columns.contains(&column.name))
            };
            let only_refers = table.foreign_keys.len() > 1 && table.columns.iter().all(refers);
            if !modifiers.is_empty() && !modifiers.iter().any(joins) && !only_refers {
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
        if vocabulary.display().is_none() && !vocabulary.person_names().is_empty() {
            for name in ["name", "full name"] {
                let words: Vec<String> = name.split(' ').map(str::to_owned).collect();
                vocabulary.add(&words, Name::OfPerson, WHOLE);
            }
        }
        let names = |column: &usize| {
            let words = words_of(&table.columns[*column].name);
            words.len() == 1 || words == ["full", "name"]
        };
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
        // `duration_min`
        if let [rest @ .., last] = words
            && last == "min"
            && !rest.is_empty()
        {
            self.add(rest, name.clone(), CORE);
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
        self.add_parts(core, &name);
        for phrase in noun_phrases(comment) {
            self.add(&phrase, name.clone(), COMMENT);
            if let Some(last) = phrase.last().filter(|_| phrase.len() > 1) {
                self.add(std::slice::from_ref(last), name.clone(), PART);
            }
        }
    }

    /// Adds parts of a column's name.
    fn add_parts(&mut self, core: &[String], name: &Name) {
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
            for part in [&head[start..], &core[start..]] {
                if !part.iter().all(|word| lexicon().is_filler_word(&stem(word))) {
                    self.add(part, name.clone(), PART);
                }
            }
        }
        self.add(head, name.clone(), PART);
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
        self.add(if content.is_empty() { &words } else { &content }, name.clone(), WHOLE);
        let is_gender = words_of(&self.table.columns[column].name)
            .iter()
            .any(|word| ["sex", "gender"].contains(&word.as_str()));
        let long = match words.as_slice() {
            [word] if word == "f" => "female",
            [word] if word == "m" => "male",
            _ => return,
        };
        if is_gender {
            self.add(&[long.to_owned()], name, WHOLE);
        }
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

    /// Whether a word is one that a shorter name of the table omits.
    pub(crate) fn is_modifier(&self, token: &Token) -> bool {
        self.modifiers.iter().any(|modifier| stem(modifier) == token.stem)
    }

    /// Whether a column holds what was spent of a unit: `seconds_played` add up, as a `duration` does not.
    pub(crate) fn is_spent(&self, column: usize) -> bool {
        let words = words_of(&self.table.columns[column].name);
        matches!(words.as_slice(), [unit, .., last]
            if lexicon().unit(unit).is_some() && is_participle(last))
            && !words.iter().any(|word| word.starts_with("delay"))
    }

    /// Whether a column of texts has so few values that they are known, and does not name the rows.
    pub(crate) fn is_category(&self, column: usize) -> bool {
        let samples = self.samples.of(&self.table.name, &self.table.columns[column].name);
        !samples.is_empty() && self.display() != Some(column)
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
}

impl NamePhrase {
    /// Whether a word of the stem at `at` is another noun: a publisher is no `published_year`.
    fn is_other_noun(&self, at: usize, token: &Token) -> bool {
        self.stems[at] == token.stem && are_other_nouns(&self.words[at], &token.text)
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
            let is_ordinal = self.words.len() > 1
                && self
                    .words
                    .first()
                    .is_some_and(|word| ["last", "first", "next"].contains(&word.as_str()));
            let in_order = self.name == Name::Table || self.has_number || is_ordinal;
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
                // "Users who have a session" are no `user_sessions`.
                None if index > 0
                    && self.name != Name::Table
                    && lexicon().is_filler_word(&token.stem) => {}
                None => return None,
            }
        }
        None
    }
}

/// Whether only one of two words of a stem names who does it. To deliver is no deliverer.
fn are_other_nouns(left: &str, right: &str) -> bool {
    let (left, right) = (singular(left), singular(right));
    if [("rate", "rating"), ("rating", "rate")].contains(&(left.as_str(), right.as_str())) {
        return true;
    }
    let is_form = left.starts_with(&right) || right.starts_with(&left);
    is_agent(&left) != is_agent(&right) && (!is_form || is_agent_of(&left, &right))
}

/// Whether the longer of two words is the shorter one and an ending of who does it.
fn is_agent_of(left: &str, right: &str) -> bool {
    let (short, long) = if left.len() < right.len() { (left, right) } else { (right, left) };
    ["r", "er", "or"].iter().any(|end| long.strip_prefix(short) == Some(*end))
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
        // "The last 10 orders" are of no `last_name`.
        let is_place =
            matches!(rest, [only] if ["first", "last", "middle"].contains(&only.as_str()));
        if rest.is_empty() || is_place || !lexicon.suffixes.contains(last) {
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

pub(crate) fn is_participle(word: &str) -> bool {
    (word.len() > 4 && word.ends_with("ed"))
        || word == "born"
        || lexicon().participles.contains(word)
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

#[cfg(test)]
mod tests {
    use super::are_other_nouns;

    #[test]
    fn who_does_it_is_not_what_is_done() {
        for (word, said) in [
            ("published", "publisher"),
            ("review", "reviewers"),
            ("reviewer", "reviews"),
            ("approved", "approver"),
            ("cancelled", "canceller"),
            ("received", "receiver"),
            ("rate", "ratings"),
        ] {
            assert!(are_other_nouns(word, said), "{word} {said}");
        }
        for (word, said) in [
            ("delivered", "deliver"),
            ("registered", "register"),
            ("order", "ordered"),
            ("customer", "customers"),
            ("published", "publish"),
            ("transferred", "transfers"),
        ] {
            assert!(!are_other_nouns(word, said), "{word} {said}");
        }
    }
}
