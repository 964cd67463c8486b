//! Parsers of flags that several commands take.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use metricd_core::{actor::Role, claim::ClaimName};

/// Parses a role.
pub(super) fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str))
        .try_map(|word| Role::from_word(&word).ok_or("there is no such role"))
}

/// Parses the value of a claim: `tenant_id=acme`.
pub(super) fn parse_claim(text: &str) -> Result<(ClaimName, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be written name=value")?;
    let name = ClaimName::parse(name).map_err(|error| error.to_string())?;
    Ok((name, value.to_owned()))
}
