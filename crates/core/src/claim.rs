//! The claims of a verified token that metricd is configured to read, and the scope that they give a
//! caller's rows.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use thiserror::Error;

/// The name of a claim slot, after `:claim_` in a template: 1 to 40 of `a` to `z`, digits and `_`,
/// starting with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimName(String);

/// A text that is not the name of a claim slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a claim name is 1 to {} lower-case letters, digits or `_`, starting with a letter",
    ClaimName::MAX_CHARS
)]
pub struct InvalidClaimName;

impl ClaimName {
    /// The most characters that a name may have: with `claim_` it is still an identifier.
    pub const MAX_CHARS: usize = 40;
    /// The prefix of the name in SQL; parameters in URLs must not have it.
    pub const PREFIX: &str = "claim_";

    /// Checks and wraps `text`.
    ///
    /// # Errors
    /// When it is not such a name.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidClaimName> {
        let text = text.into();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let fits = text.len() <= Self::MAX_CHARS
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(plain);
        if fits { Ok(Self(text)) } else { Err(InvalidClaimName) }
    }

    /// Returns the name without `claim_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClaimValue {
    /// A text, or a whole number or truth value in its JSON spelling.
    Text(String),
    /// A value that cannot be bound: a list, an object, a fraction, null.
    Unusable,
}

/// The claims of a caller, by the names of their slots, without those that the token does not have.
pub type Claims = BTreeMap<ClaimName, ClaimValue>;

/// The scope of a caller's rows: the values of the claims that a template needs, and of no others, so
/// that callers who differ in nothing else share an answer.
///
/// Only an [`Actor`](crate::actor::Actor) creates one, so that a cache or topic keyed by it cannot
/// forget the caller:
///
/// ```compile_fail,E0423
/// let scope = metricd_core::claim::Scope(Default::default());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(BTreeMap<ClaimName, Arc<str>>);

/// A claim that a template needs and the caller's token lacks. The text is for logs: a caller may not
/// know which claims a metric needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScopeFault {
    /// The token does not have the claim.
    #[error("the token has no claim for `:claim_{0}`")]
    Missing(ClaimName),
    /// The claim is not a single value.
    #[error("the token's claim for `:claim_{0}` is not a text")]
    Unusable(ClaimName),
}

impl Scope {
    pub(crate) fn of(claims: &Claims, asked: &BTreeSet<ClaimName>) -> Result<Self, ScopeFault> {
        let value = |name: &ClaimName| match claims.get(name) {
            Some(ClaimValue::Text(text)) => Ok((name.clone(), text.as_str().into())),
            Some(ClaimValue::Unusable) => Err(ScopeFault::Unusable(name.clone())),
            None => Err(ScopeFault::Missing(name.clone())),
        };
        asked.iter().map(value).collect::<Result<_, _>>().map(Self)
    }

    /// Estimates the memory that the claims take, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let entry = |(name, value): (&ClaimName, &Arc<str>)| {
            size_of::<(ClaimName, Arc<str>)>() + name.0.len() + value.len()
        };
        self.0.iter().map(entry).sum()
    }

    /// Returns the value of a claim that the template needs.
    #[must_use]
    pub fn value(&self, name: &ClaimName) -> Option<&Arc<str>> {
        self.0.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_named_like_a_part_of_an_identifier() {
        assert_eq!(ClaimName::parse("tenant_id").unwrap().as_str(), "tenant_id");
        for text in ["", "Tenant", "custom:tenant", "1st", "_x", "é", &"a".repeat(41)] {
            assert_eq!(ClaimName::parse(text), Err(InvalidClaimName), "{text}");
        }
    }

    #[test]
    fn a_scope_holds_what_is_asked_for_and_nothing_else() {
        let name = |text| ClaimName::parse(text).unwrap();
        let claims = Claims::from([
            (name("tenant"), ClaimValue::Text("acme".into())),
            (name("region"), ClaimValue::Text("eu".into())),
            (name("groups"), ClaimValue::Unusable),
        ]);
        let of =
            |asked: &[&'static str]| Scope::of(&claims, &asked.iter().copied().map(name).collect());
        let scope = of(&["tenant"]).unwrap();
        assert_eq!(scope.value(&name("tenant")), Some(&"acme".into()));
        assert_eq!(scope.value(&name("region")), None);
        assert_eq!(of(&[]).unwrap(), Scope(BTreeMap::new()));
        assert_eq!(of(&["team"]), Err(ScopeFault::Missing(name("team"))));
        assert_eq!(of(&["groups"]), Err(ScopeFault::Unusable(name("groups"))));
    }
}
