//! Parsers of flags that several commands take.

use std::collections::HashSet;

use clap::{
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use metricd_core::{actor::Role, claim::ClaimName};

/// Parses a role.
pub(super) fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .try_map(|word| Role::from_word(&word).ok_or("there is no such role"))
}

/// Ends the command where two values of a flag have one name: which of them was meant is unknown.
pub(super) fn refuse_repeated<'a>(flag: &str, names: impl IntoIterator<Item = &'a str>) {
    let mut seen = HashSet::new();
    if let Some(name) = names.into_iter().find(|name| !seen.insert(*name)) {
        let message = format!("the argument '{flag}' cannot be used multiple times for {name}\n");
        clap::Error::raw(ErrorKind::ArgumentConflict, message).exit();
    }
}

/// Parses the value of a claim: `tenant_id=acme`.
pub(super) fn parse_claim(text: &str) -> Result<(ClaimName, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be written name=value")?;
    let name = ClaimName::parse(name).map_err(|error| error.to_string())?;
    Ok((name, value.to_owned()))
}
