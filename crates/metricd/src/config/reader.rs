//! Reads settings one by one and collects their faults. Never repeats a value that could be a secret.

use std::fmt;

use figment::{Figment, error::Kind, providers::Serialized, value::Dict};
use serde::{Deserialize, de::DeserializeOwned};

/// Reads values from the merged sources.
pub(super) struct SettingsReader {
    figment: Figment,
    /// What precedes a key in faults: the element of a list that is being read.
    prefix: String,
    faults: Vec<String>,
}

impl SettingsReader {
    /// Reads from `figment`; `faults` were found on the way there.
    pub(super) fn new(figment: Figment, faults: Vec<String>) -> Self {
        Self { figment, prefix: String::new(), faults }
    }

    /// Returns the value of `key`; none where it is not set or has a fault.
    pub(super) fn value<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        match self.figment.extract_inner::<T>(key) {
            Ok(value) => Some(value),
            Err(error) if error.missing() => None,
            Err(error) => {
                for fault in error {
                    // The value may be a secret: only what was expected is reported.
                    match fault.kind {
                        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
                            self.reject(key, format_args!("must be {}", in_words(&expected)));
                        }
                        kind => self.reject(key, kind),
                    }
                }
                None
            }
        }
    }

    /// Returns the value of `key` without reporting faults, for a default taken from another setting.
    pub(super) fn peek<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.figment.extract_inner(key).ok()
    }

    /// Returns the strings of a list; a string stands for its parts between commas, because the
    /// environment has no lists.
    pub(super) fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        self.value::<OneOrMore>(key).map(OneOrMore::into_vec)
    }

    /// Reads each table of a list by a reader of its own. `accepts` tells whether a field is known.
    pub(super) fn tables<T>(
        &mut self,
        key: &str,
        accepts: impl Fn(&str) -> bool,
        read: impl Fn(&mut Self) -> T,
    ) -> Vec<T> {
        let tables = self.value::<Vec<Dict>>(key).unwrap_or_default();
        let mut sections = Vec::new();
        for (index, table) in tables.into_iter().enumerate() {
            let place = format!("{key}[{index}]");
            for field in table.keys().filter(|field| !accepts(field)) {
                self.reject(&place, format_args!("there is no setting `{field}`"));
            }
            let mut reader = Self {
                figment: Figment::from(Serialized::defaults(table)),
                prefix: format!("{place}."),
                faults: Vec::new(),
            };
            sections.push(read(&mut reader));
            self.faults.append(&mut reader.faults);
        }
        sections
    }

    /// Records what is wrong with `key`.
    pub(super) fn reject(&mut self, key: &str, fault: impl fmt::Display) {
        self.faults.push(format!("{}{key}: {fault}", self.prefix));
    }

    /// Records faults that name their setting themselves.
    pub(super) fn reject_all(&mut self, faults: impl IntoIterator<Item = String>) {
        self.faults.extend(faults);
    }

    /// Returns all faults, in the order of their discovery.
    pub(super) fn into_faults(self) -> Vec<String> {
        self.faults
    }
}

/// A string, or a list of strings.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "must be a string or a list of strings")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => text
                .split(',')
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect(),
            Self::More(texts) => texts,
        }
    }
}

/// A type of Rust's in the words of an operator.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        other => other,
    }
}
