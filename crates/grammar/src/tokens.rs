//! The tokenizer: splits a sentence into words, numbers, dates and signs.

use std::borrow::Cow;

use chrono::NaiveDate;
use rust_stemmers::{Algorithm, Stemmer};

/// The limit on the tokens of a sentence.
pub(crate) const MAX_TOKENS: usize = 120;

/// A word, number, date or sign of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// As written.
    pub(crate) original: String,
    /// In lower case.
    pub(crate) text: String,
    pub(crate) stem: String,
    /// Whether a comma stands before it.
    pub(crate) after_comma: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind {
    Word,
    /// A decimal number, in SQL's notation.
    Number(String),
    /// `1st`, `15th`
    Ordinal(u32),
    Day(NaiveDate),
    /// `2025-03`
    Month(i32, u32),
    /// A quoted text.
    Quoted,
    Sign,
}

/// Returns the stem of a word in lower case.
pub(crate) fn stem(word: &str) -> String {
    thread_local! {
        static ENGLISH: Stemmer = Stemmer::create(Algorithm::English);
    }
    ENGLISH.with(|english| match english.stem(word) {
        Cow::Borrowed(stem) => stem.to_owned(),
        Cow::Owned(stem) => stem,
    })
}

/// Splits a name or value into words: `snake_case`, `camelCase`, blanks and punctuation.
pub(crate) fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in name.chars() {
        let parts = !c.is_alphanumeric() && c != '\'';
        if (parts || (c.is_uppercase() && before.is_lowercase())) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Splits a sentence into tokens. Punctuation without a meaning is dropped.
pub(crate) fn tokens(sentence: &str) -> Vec<Token> {
    let chars: Vec<char> = sentence.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut comma = false;
    while at < chars.len() && tokens.len() <= MAX_TOKENS {
        let (before, count) = (chars[at], tokens.len());
        at = next(&chars, at, &mut tokens);
        comma |= before == ',';
        if let Some(token) = tokens.get_mut(count) {
            token.after_comma = std::mem::take(&mut comma);
        }
    }
    tokens
}

/// Reads the token at `at`, and returns where it ends.
fn next(chars: &[char], at: usize, tokens: &mut Vec<Token>) -> usize {
    let c = chars[at];
    if let Some(end) = quoted(chars, at) {
        let text: String = chars[at + 1..end].iter().collect();
        tokens.push(token(TokenKind::Quoted, &text));
        return end + 1;
    }
    if c.is_ascii_digit() {
        return number(chars, at, tokens);
    }
    if c.is_alphabetic() {
        let is_part = |c: &char| c.is_alphanumeric() || *c == '\'' || *c == '’' || *c == '_';
        let end = at + chars[at..].iter().take_while(|c| is_part(c)).count();
        let text: String = chars[at..end].iter().collect();
        words(&text, tokens);
        return end;
    }
    let pair: String = chars[at..chars.len().min(at + 2)].iter().collect();
    if [">=", "<=", "<>", "!="].contains(&pair.as_str()) {
        tokens.push(token(TokenKind::Sign, &pair));
        return at + 2;
    }
    let is_dash = matches!(c, '-' | '–' | '—');
    // A hyphen only joins words; a dash between blanks, or after a date, means "to".
    let stands_alone = at > 0
        && chars[at - 1].is_whitespace()
        && chars.get(at + 1).is_some_and(|c| c.is_whitespace());
    let after_day =
        matches!(tokens.last(), Some(Token { kind: TokenKind::Day(_) | TokenKind::Month(..), .. }));
    if is_dash && (stands_alone || after_day) {
        tokens.push(token(TokenKind::Sign, "-"));
    } else if matches!(c, '>' | '<' | '=' | '&' | '€' | '$' | '£' | '%' | '+' | '*' | '/') {
        tokens.push(token(TokenKind::Sign, &c.to_string()));
    } else if c == '≥' || c == '≤' {
        tokens.push(token(TokenKind::Sign, if c == '≥' { ">=" } else { "<=" }));
    }
    at + 1
}

fn token(kind: TokenKind, original: &str) -> Token {
    let text = original.to_lowercase();
    Token { kind, original: original.to_owned(), stem: stem(&text), text, after_comma: false }
}

/// Splits adjoining letters into words: `aren't` is `are not`, `customer's` is `customer`, and
/// `unit_price` is two.
fn words(text: &str, tokens: &mut Vec<Token>) {
    let text = text.replace('’', "'");
    let lower = text.to_lowercase();
    if let Some(verb) = lower.strip_suffix("n't") {
        tokens.extend([
            token(TokenKind::Word, if verb == "ca" { "can" } else { verb }),
            token(TokenKind::Word, "not"),
        ]);
        return;
    }
    let own = if lower.ends_with("'s") { &text[..text.len() - 2] } else { text.as_str() };
    for part in own.split(['\'', '_']).filter(|part| !part.is_empty()) {
        tokens.push(token(TokenKind::Word, part));
    }
}

/// Returns the index of the closing quotation mark for the one at `at`.
fn quoted(chars: &[char], at: usize) -> Option<usize> {
    let close = match chars[at] {
        '\'' => '\'',
        '"' => '"',
        '‘' => '’',
        '“' => '”',
        _ => return None,
    };
    if at > 0 && chars[at - 1].is_alphanumeric() {
        return None;
    }
    let ends = |index: &usize| {
        chars[*index] == close && !chars.get(index + 1).is_some_and(|c| c.is_alphanumeric())
    };
    (at + 2..chars.len()).find(ends)
}

/// Reads a token that begins with a digit, and returns where it ends.
fn number(chars: &[char], at: usize, tokens: &mut Vec<Token>) -> usize {
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '.' | ',' | ':');
    let length = chars[at..].iter().take_while(|c| is_part(c)).count();
    let text: String = chars[at..at + length].iter().collect();
    let text = text.trim_end_matches(['-', '/', '.', ',', ':']);
    let end = at + text.chars().count();
    if let Some(kind) = day(text).or_else(|| year_month(text)) {
        tokens.push(token(kind, text));
        return end;
    }
    // Hyphenated parts are separate tokens, unless they look like an invalid date.
    let plain = text.split_once(['-', '/', ':']).filter(|_| text.len() < 8);
    let text = plain.map_or(text, |(first, _)| first);
    let kind =
        decimal(text).map(TokenKind::Number).or_else(|| ordinal(text)).unwrap_or(TokenKind::Word);
    tokens.push(token(kind, text));
    at + text.chars().count()
}

fn day(text: &str) -> Option<TokenKind> {
    let text = text.strip_suffix("T00:00:00").unwrap_or(text);
    let formats = ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y"];
    let read = |format: &&str| NaiveDate::parse_from_str(text, format).ok();
    let day = formats.iter().find_map(read).filter(|_| text.len() >= 8)?;
    in_range(day).then_some(TokenKind::Day(day))
}

/// Whether a date is plausible for data, and far from the limits of the date type.
fn in_range(day: NaiveDate) -> bool {
    use chrono::Datelike;
    (1900..2200).contains(&day.year())
}

fn year_month(text: &str) -> Option<TokenKind> {
    let (year, month) =
        text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
    let (year, month) = (year.parse().ok()?, month.parse().ok()?);
    in_range(NaiveDate::from_ymd_opt(year, month, 1)?).then_some(TokenKind::Month(year, month))
}

/// Converts `1,000.50` and `10k` into SQL's notation.
fn decimal(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (digits, zeros) = match lower.strip_suffix('k') {
        Some(digits) => (digits, "000"),
        None => (lower.as_str(), ""),
    };
    let mut groups = digits.split(',');
    let first = groups.next()?;
    let rest: Vec<&str> = groups.collect();
    let (last, fraction) = match rest.last().copied().unwrap_or(first).split_once('.') {
        Some((last, fraction)) => (last, Some(fraction)),
        None => (rest.last().copied().unwrap_or(first), None),
    };
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let whole = if rest.is_empty() {
        last.to_owned()
    } else {
        let inner = &rest[..rest.len() - 1];
        let is_group = |group: &&str| group.len() == 3;
        if first.len() > 3 || !inner.iter().all(is_group) || last.len() != 3 {
            return None;
        }
        [&[first], inner, &[last]].concat().concat()
    };
    if !are_digits(&whole) || whole.len() > 15 {
        return None;
    }
    match (fraction, zeros) {
        (None, zeros) => Some(format!("{whole}{zeros}")),
        (Some(fraction), "") if are_digits(fraction) && fraction.len() <= 9 => {
            Some(format!("{whole}.{fraction}"))
        }
        _ => None,
    }
}

fn ordinal(text: &str) -> Option<TokenKind> {
    let lower = text.to_ascii_lowercase();
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|suffix| lower.strip_suffix(suffix))?;
    digits.parse().ok().filter(|_| digits.len() <= 3).map(TokenKind::Ordinal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(sentence: &str) -> String {
        let shape = |token: &Token| match &token.kind {
            TokenKind::Word | TokenKind::Sign => token.text.clone(),
            TokenKind::Number(number) => format!("#{number}"),
            TokenKind::Ordinal(number) => format!("#{number}."),
            TokenKind::Day(day) => format!("@{day}"),
            TokenKind::Month(year, month) => format!("@{year}-{month}"),
            TokenKind::Quoted => format!("[{}]", token.original),
        };
        tokens(sentence).iter().map(shape).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_sentence_is_words_numbers_days_and_signs() {
        let cases = [
            ("Non-express ORDERS, please!", "non express orders please"),
            ("customer's aren't unit_price", "customer are not unit price"),
            ("over 1,000.50 € or 10k >= 3%", "over #1000.50 € or #10000 >= #3 %"),
            ("1st of March, the 22nd", "#1. of march the #22."),
            ("2025-06-01 to 2025/06/30", "@2025-06-01 to @2025-06-30"),
            ("2025-06-01–2025-06-30.", "@2025-06-01 - @2025-06-30"),
            ("since 2025-03, by 24.12.2025", "since @2025-3 by @2025-12-24"),
            ("on 2025-06-31", "on 2025-06-31"),
            ("'Need approval' “end of life” isn't", "[Need approval] [end of life] is not"),
            ("'; DROP TABLE x; --", "drop table x"),
            ("1,2,3 99999999999999999999 0x1F", "1,2,3 99999999999999999999 0x1f"),
        ];
        for (sentence, expected) in cases {
            assert_eq!(shape(sentence), expected, "{sentence}");
        }
    }

    #[test]
    fn names_part_where_their_words_do() {
        for (name, words) in [
            ("unit_price", "unit price"),
            ("productLine", "product line"),
            ("Sensor Type", "sensor type"),
            ("HTTPStatus", "httpstatus"),
            ("End-of-life", "end of life"),
            ("__", ""),
        ] {
            assert_eq!(words_of(name).join(" "), words);
        }
    }
}
