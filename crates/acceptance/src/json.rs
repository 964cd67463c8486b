//! JSON that keeps numbers as they were written, so that `7.30` and `7.3` differ.

use std::{collections::BTreeMap, fmt};

use anyhow::{Context as _, Result, bail};
use serde_json::value::RawValue;

/// A JSON value whose numbers are their own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, digit for digit.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// How an expected value is compared with an actual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// The same members.
    Exact,
    /// Objects may have more members than expected, at any depth; lists may not.
    Contains,
}

impl Json {
    /// Reads one JSON value.
    ///
    /// # Errors
    /// When `text` is not JSON.
    pub fn parse(text: &str) -> Result<Self> {
        let raw: &RawValue =
            serde_json::from_str(text).with_context(|| format!("not JSON: {text}"))?;
        Self::from_raw(raw)
    }

    fn from_raw(raw: &RawValue) -> Result<Self> {
        let text = raw.get();
        Ok(match text.as_bytes().first() {
            Some(b'{') => {
                let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)?;
                let members = members.into_iter().map(|(k, v)| Ok((k, Self::from_raw(&v)?)));
                Self::Object(members.collect::<Result<_>>()?)
            }
            Some(b'[') => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text)?;
                Self::List(items.iter().map(|item| Self::from_raw(item)).collect::<Result<_>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Null,
            Some(_) => Self::Number(text.to_owned()),
            None => bail!("no JSON value"),
        })
    }

    /// Returns the value at a dotted path such as `generation.grounded` or `layouts.0.x`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&Self> {
        path.split('.').filter(|step| !step.is_empty()).try_fold(self, |value, step| match value {
            Self::Object(members) => members.get(step),
            Self::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Returns the text of a string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the items of an array.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the first place at which `self` differs from `expected`, if any. The expected strings
    /// `<any>`, `<something>`, `<text>`, `<number>`, `<uuid>` and `<instant>` stand for any value
    /// of their kind.
    #[must_use]
    pub fn mismatch(&self, expected: &Self, how: Match) -> Option<String> {
        self.mismatch_at("$", expected, how)
    }

    fn mismatch_at(&self, place: &str, expected: &Self, how: Match) -> Option<String> {
        match (expected, self) {
            (Self::Text(kind), _) if kind.starts_with('<') && kind.ends_with('>') => {
                (!self.is_a(kind)).then(|| format!("{place} is {self}, not {kind}"))
            }
            (Self::Object(wanted), Self::Object(members)) => {
                let missing_or_different = wanted.iter().find_map(|(name, value)| {
                    let place = format!("{place}.{name}");
                    match members.get(name) {
                        Some(actual) => actual.mismatch_at(&place, value, how),
                        None => Some(format!("{place} is missing")),
                    }
                });
                missing_or_different.or_else(|| {
                    let unwanted = members.keys().find(|name| !wanted.contains_key(*name));
                    unwanted
                        .filter(|_| how == Match::Exact)
                        .map(|name| format!("{place}.{name} is not expected"))
                })
            }
            (Self::List(wanted), Self::List(items)) if wanted.len() == items.len() => {
                wanted.iter().zip(items).enumerate().find_map(|(index, (value, actual))| {
                    actual.mismatch_at(&format!("{place}[{index}]"), value, how)
                })
            }
            _ => (self != expected).then(|| format!("{place} is {self}, not {expected}")),
        }
    }

    fn is_a(&self, kind: &str) -> bool {
        match (kind, self) {
            ("<any>", _) | ("<text>", Self::Text(_)) | ("<number>", Self::Number(_)) => true,
            ("<something>", value) => *value != Self::Null,
            ("<uuid>", Self::Text(text)) => uuid::Uuid::parse_str(text).is_ok(),
            ("<instant>", Self::Text(text)) => {
                text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z')
            }
            _ => false,
        }
    }

    /// Sorts the items of a list by their text, to compare it without its order.
    #[must_use]
    pub fn sorted(self) -> Self {
        match self {
            Self::List(mut items) => {
                items.sort_by_cached_key(ToString::to_string);
                Self::List(items)
            }
            other => other,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{item}")?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (index, (name, value)) in members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}: {value}", serde_json::Value::from(name.as_str()))?;
                }
                f.write_str("}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(actual: &str, expected: &str, how: Match) -> Option<String> {
        Json::parse(actual).unwrap().mismatch(&Json::parse(expected).unwrap(), how)
    }

    #[test]
    fn numbers_are_compared_digit_for_digit() {
        assert_eq!(mismatch(r#"{"a": 7.30}"#, r#"{"a": 7.30}"#, Match::Exact), None);
        assert_eq!(
            mismatch(r#"{"a": [7.30]}"#, r#"{"a": [7.3]}"#, Match::Exact).as_deref(),
            Some("$.a[0] is 7.30, not 7.3"),
        );
        assert!(mismatch("9007199254740993", "9007199254740992", Match::Exact).is_some());
    }

    #[test]
    fn only_objects_may_hold_more_than_expected() {
        let actual = r#"{"a": 1, "b": [{"c": 1, "d": 2}]}"#;
        assert_eq!(mismatch(actual, r#"{"b": [{"c": 1}]}"#, Match::Contains), None);
        assert!(mismatch(actual, r#"{"b": []}"#, Match::Contains).is_some());
        assert_eq!(
            mismatch(actual, r#"{"a": 1}"#, Match::Exact).as_deref(),
            Some("$.b is not expected"),
        );
    }

    #[test]
    fn a_kind_stands_for_any_value_of_it() {
        let actual =
            r#"{"id": "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6", "at": "2025-08-05T12:00:00Z"}"#;
        assert_eq!(mismatch(actual, r#"{"id": "<uuid>", "at": "<instant>"}"#, Match::Exact), None);
        assert!(mismatch(actual, r#"{"id": "<instant>", "at": "<any>"}"#, Match::Exact).is_some());
        assert!(mismatch("null", r#""<something>""#, Match::Exact).is_some());
    }
}
