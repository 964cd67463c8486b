//! The types of settings: how a value is read, and what the reference page says about it.

use std::{
    fmt::{self, Display},
    num::NonZeroU32,
    str::FromStr,
    time::Duration,
};

use serde::de::DeserializeOwned;

use super::{
    declare::{Setting, SettingsSection, TypeDescription},
    reader::SettingsReader,
};

/// Reads a setting into a `T`.
pub(super) trait SettingType<T> {
    /// Describes the accepted values and the default.
    fn describe(&self) -> TypeDescription;

    /// Reads `key`; after a fault, which goes to `reader`, any value will do.
    fn read(&self, key: &str, reader: &mut SettingsReader) -> T;
}

/// An integer with a default.
pub(super) struct Integer {
    default: u32,
    least: u32,
    most: u32,
    same_as: Option<&'static str>,
}

/// An integer of at least 0.
pub(super) fn integer(default: u32) -> Integer {
    Integer { default, least: 0, most: u32::MAX, same_as: None }
}

impl Integer {
    /// Requires at least `least`.
    pub(super) fn at_least(self, least: u32) -> Self {
        Self { least, ..self }
    }

    /// Requires at most `most`.
    pub(super) fn at_most(self, most: u32) -> Self {
        Self { most, ..self }
    }

    /// Takes the value of the integer setting `key` as the default.
    pub(super) fn same_as(self, key: &'static str) -> Self {
        Self { same_as: Some(key), ..self }
    }

    fn checked(&self, key: &str, reader: &mut SettingsReader) -> u32 {
        let value = reader.value(key).or_else(|| reader.peek(self.same_as?));
        let value = value.unwrap_or(self.default);
        if value < self.least {
            reader.reject(key, format_args!("must be at least {}", self.least));
        }
        if value > self.most {
            reader.reject(key, format_args!("must be at most {}", self.most));
        }
        value
    }
}

impl<T: TryFrom<u32>> SettingType<T> for Integer {
    fn describe(&self) -> TypeDescription {
        let least = (self.least > 0).then(|| format!("at least {}", self.least));
        let most = (self.most < u32::MAX).then(|| format!("at most {}", self.most));
        let values = std::iter::once("integer".to_owned()).chain(least).chain(most);
        let values = values.collect::<Vec<_>>().join(", ");
        let default = match self.same_as {
            Some(key) => format!("that of `{key}`"),
            None => format!("`{}`", self.default),
        };
        TypeDescription { values, default, ..TypeDescription::default() }
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> T {
        let value = self.checked(key, reader);
        let value = T::try_from(value).or_else(|_| T::try_from(self.default));
        value.unwrap_or_else(|_| unreachable!("the default of {key} is in range"))
    }
}

/// An integer of which 0 means none.
pub(super) struct ZeroIsNone(u32);

/// An integer of which 0 means none.
pub(super) fn zero_is_none(default: u32) -> ZeroIsNone {
    ZeroIsNone(default)
}

impl SettingType<Option<NonZeroU32>> for ZeroIsNone {
    fn describe(&self) -> TypeDescription {
        SettingType::<u32>::describe(&integer(self.0))
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Option<NonZeroU32> {
        NonZeroU32::new(integer(self.0).checked(key, reader))
    }
}

/// A string that is parsed, with a default.
pub(super) struct Parsed<T, E> {
    values: &'static str,
    default: &'static str,
    parse: fn(&str) -> Result<T, E>,
}

/// A string that `parse` reads; `values` says what the page calls it.
pub(super) fn parsed<T, E>(
    values: &'static str,
    default: &'static str,
    parse: fn(&str) -> Result<T, E>,
) -> Parsed<T, E> {
    Parsed { values, default, parse }
}

/// A duration longer than zero.
pub(super) fn duration(default: &'static str) -> Parsed<Duration, &'static str> {
    parsed("duration", default, |text| match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("must be a time such as 30s or 1m 30s"),
    })
}

/// A duration that may be zero.
pub(super) fn duration_or_zero(default: &'static str) -> Parsed<Duration, &'static str> {
    parsed("duration, or `0s`", default, |text| {
        humantime::parse_duration(text).map_err(|_| "must be a time such as 30s or 1m 30s, or 0s")
    })
}

impl<T, E: Display> SettingType<T> for Parsed<T, E> {
    fn describe(&self) -> TypeDescription {
        described(self.values, format!("`{}`", self.default))
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> T {
        let text = reader.value::<String>(key).unwrap_or_else(|| self.default.to_owned());
        (self.parse)(&text).unwrap_or_else(|error| {
            reader.reject(key, error);
            (self.parse)(self.default)
                .unwrap_or_else(|_| unreachable!("the default of {key} parses"))
        })
    }
}

/// A value that serde reads, with a default.
pub(super) struct Plain {
    values: &'static str,
    default: &'static str,
}

/// A path, with a default.
pub(super) fn path(default: &'static str) -> Plain {
    Plain { values: "path", default }
}

/// A switch that is off unless set.
pub(super) fn switch() -> Plain {
    Plain { values: "boolean", default: "false" }
}

impl<T> SettingType<T> for Plain
where
    T: DeserializeOwned + FromStr<Err: fmt::Debug>,
{
    fn describe(&self) -> TypeDescription {
        described(self.values, format!("`{}`", self.default))
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> T {
        let parse = || self.default.parse();
        let value = reader.value(key).or_else(|| parse().ok());
        value.unwrap_or_else(|| unreachable!("the default of {key} parses"))
    }
}

/// A value that may be left out.
pub(super) struct Optional {
    values: &'static str,
    unset: &'static str,
}

/// A value that may be left out; `unset` says what holds then.
pub(super) fn optional(values: &'static str, unset: &'static str) -> Optional {
    Optional { values, unset }
}

impl<T: DeserializeOwned> SettingType<Option<T>> for Optional {
    fn describe(&self) -> TypeDescription {
        described(self.values, self.unset.to_owned())
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Option<T> {
        reader.value(key)
    }
}

/// A string that may be left out, or left empty, which is the same.
pub(super) struct OptionalText(Optional);

/// A string that may be left out or empty; `unset` says what holds then.
pub(super) fn optional_text(values: &'static str, unset: &'static str) -> OptionalText {
    OptionalText(optional(values, unset))
}

impl<T: From<String>> SettingType<Option<T>> for OptionalText {
    fn describe(&self) -> TypeDescription {
        described(self.0.values, self.0.unset.to_owned())
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Option<T> {
        let text = reader.value::<String>(key)?;
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned().into())
    }
}

/// A string that is parsed, and may be left out.
pub(super) struct OptionalParsed<T, E> {
    optional: Optional,
    parse: fn(&str) -> Result<T, E>,
}

/// A string that `parse` reads, and that may be left out; `unset` says what holds then.
pub(super) fn optional_parsed<T, E>(
    values: &'static str,
    unset: &'static str,
    parse: fn(&str) -> Result<T, E>,
) -> OptionalParsed<T, E> {
    OptionalParsed { optional: optional(values, unset), parse }
}

impl<T, E: Display> SettingType<Option<T>> for OptionalParsed<T, E> {
    fn describe(&self) -> TypeDescription {
        described(self.optional.values, self.optional.unset.to_owned())
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Option<T> {
        let text = reader.value::<String>(key)?;
        (self.parse)(&text).map_err(|error| reader.reject(key, error)).ok()
    }
}

/// A list, each element of which is parsed.
pub(super) struct List<T> {
    element: &'static str,
    default: &'static [&'static str],
    parse: fn(&str) -> Option<T>,
}

/// A list of what `parse` reads, empty unless set; `element` says what each must be.
pub(super) fn list<T>(element: &'static str, parse: fn(&str) -> Option<T>) -> List<T> {
    List { element, default: &[], parse }
}

/// A list of strings, empty unless set; `element` says what each is.
pub(super) fn strings(element: &'static str) -> List<String> {
    list(element, |text| Some(text.to_owned()))
}

impl<T> List<T> {
    /// Has these elements unless it is set.
    pub(super) fn or(self, default: &'static [&'static str]) -> Self {
        Self { default, ..self }
    }
}

impl<T> SettingType<Vec<T>> for List<T> {
    fn describe(&self) -> TypeDescription {
        let default = self.default.iter().map(|element| format!("`{element}`"));
        let default = default.collect::<Vec<_>>().join(", ");
        let default = if default.is_empty() { "none".to_owned() } else { default };
        described(&format!("list; each {}", self.element), default)
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Vec<T> {
        let mut values = Vec::new();
        let usual = || self.default.iter().map(|&element| element.to_owned()).collect();
        for text in reader.strings(key).unwrap_or_else(usual) {
            match (self.parse)(&text) {
                Some(value) => values.push(value),
                None => reader.reject(key, format_args!("`{text}` is not {}", self.element)),
            }
        }
        values
    }
}

/// A list of strings that may be left out.
pub(super) struct OptionalStrings(Optional);

/// A list of strings that may be left out; `unset` says what holds then.
pub(super) fn optional_strings(values: &'static str, unset: &'static str) -> OptionalStrings {
    OptionalStrings(optional(values, unset))
}

impl SettingType<Option<Vec<String>>> for OptionalStrings {
    fn describe(&self) -> TypeDescription {
        described(self.0.values, self.0.unset.to_owned())
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Option<Vec<String>> {
        reader.strings(key)
    }
}

/// A table whose keys the operator chooses.
pub(super) struct Entries {
    optional: Optional,
    entry: &'static str,
}

/// A table whose keys the operator chooses; `entry` stands for one of them on the page.
pub(super) fn entries(values: &'static str, entry: &'static str) -> Entries {
    Entries { optional: optional(values, "none"), entry }
}

impl<T: DeserializeOwned + Default> SettingType<T> for Entries {
    fn describe(&self) -> TypeDescription {
        let described = described(self.optional.values, self.optional.unset.to_owned());
        TypeDescription { entry: Some(self.entry), ..described }
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> T {
        reader.value(key).unwrap_or_default()
    }
}

/// A list of tables with settings of their own.
pub(super) struct Tables(&'static str);

/// A list of tables; `unset` says what holds where there are none.
pub(super) fn tables(unset: &'static str) -> Tables {
    Tables(unset)
}

impl<S: SettingsSection> SettingType<Vec<S>> for Tables {
    fn describe(&self) -> TypeDescription {
        let fields = fields::<S>();
        TypeDescription { fields, ..described("list of tables", self.0.to_owned()) }
    }

    fn read(&self, key: &str, reader: &mut SettingsReader) -> Vec<S> {
        let known = fields::<S>();
        reader.tables(key, |field| known.iter().any(|setting| setting.accepts(field)), S::read)
    }
}

/// The settings of each table of a list.
fn fields<S: SettingsSection>() -> Vec<Setting> {
    S::declarations().into_iter().flat_map(|part| part.settings).collect()
}

fn described(values: &str, default: String) -> TypeDescription {
    TypeDescription { values: values.to_owned(), default, ..TypeDescription::default() }
}
