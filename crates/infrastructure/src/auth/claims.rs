//! Reads claims: their place in a token, and the roles that they grant. Pure. Must never trust the type of
//! a claim unchecked.

use std::collections::BTreeSet;

use metricd_core::{actor::Role, claim::ClaimValue};
use serde_json::{Map, Value};
use thiserror::Error;

/// The path of a claim in a token. A top-level name that is the whole text wins, so that
/// `custom:tenant` and `https://example.com/roles` need no escaping; otherwise dots lead into
/// objects, as in `realm_access.roles`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimPath(String);

/// The error of an invalid path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the name of a claim is not empty and holds no control characters")]
pub struct InvalidClaimPath;

impl ClaimPath {
    /// Parses a path.
    ///
    /// # Errors
    /// When it is empty or holds control characters.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidClaimPath> {
        let text = text.into();
        let fits = !text.is_empty() && !text.contains(char::is_control);
        if fits { Ok(Self(text)) } else { Err(InvalidClaimPath) }
    }

    pub(super) fn scope() -> Self {
        Self("scope".into())
    }

    pub(super) fn subject() -> Self {
        Self("sub".into())
    }

    /// Returns the text that it was parsed from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        if let Some(value) = claims.get(&self.0) {
            return Some(value);
        }
        let mut names = self.0.split('.');
        let first = claims.get(names.next()?)?;
        names.try_fold(first, |value, name| value.as_object()?.get(name))
    }
}

/// The rules that map claims to roles. The default maps none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleRules(Vec<(Role, Rule)>);

/// The condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Scope(String),
    Claim(ClaimPath, String),
}

/// The error of a rule that is not `claim=value`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a rule for a role is written `claim=value`, not `{0}`")]
pub struct InvalidRoleRule(String);

impl RoleRules {
    /// Parses rules such as `scope=api/backend_access` or `realm_access.roles=metrics-admin`: the part
    /// before the first `=` is a [`ClaimPath`], or `scope` for the issuer's scope claim. A rule matches
    /// when the claim is that text, or a list of texts that contains it. A token gets the roles of all
    /// matching rules.
    ///
    /// # Errors
    /// The first malformed rule.
    pub fn parse<'a>(
        rules: impl IntoIterator<Item = (Role, &'a str)>,
    ) -> Result<Self, InvalidRoleRule> {
        let read = |(role, text): (Role, &str)| {
            let invalid = || InvalidRoleRule(text.into());
            let (claim, value) = text.split_once('=').ok_or_else(invalid)?;
            if value.is_empty() {
                return Err(invalid());
            }
            let rule = if claim == "scope" {
                Rule::Scope(value.into())
            } else {
                Rule::Claim(ClaimPath::parse(claim).map_err(|_| invalid())?, value.into())
            };
            Ok((role, rule))
        };
        rules.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Returns rules by which a claim names the role itself.
    pub(super) fn of_role_claim(claim: &str) -> Self {
        let rule = |role: Role| (role, Rule::Claim(ClaimPath(claim.into()), role.as_str().into()));
        Self(Role::ALL.map(rule).into())
    }

    /// Returns the rules of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    pub(super) fn roles(
        &self,
        claims: &Map<String, Value>,
        scopes: &BTreeSet<String>,
    ) -> BTreeSet<Role> {
        let holds = |rule: &Rule| match rule {
            Rule::Scope(scope) => scopes.contains(scope),
            Rule::Claim(path, value) => path
                .find(claims)
                .and_then(texts)
                .is_some_and(|texts| texts.contains(&value.as_str())),
        };
        self.0.iter().filter(|(_, rule)| holds(rule)).map(|(role, _)| *role).collect()
    }
}

/// The maximum number of characters of a name in a token: a subject, a client, the id of a key.
pub(super) const MAX_NAME_CHARS: usize = 256;

/// Whether a text can be a name, also in logs and audit events.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_NAME_CHARS && !text.contains(char::is_control)
}

/// Returns the text of a claim, or the texts of a list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// Returns the scopes in a claim; `None` if it has another type.
pub(super) fn scopes(value: &Value) -> Option<BTreeSet<String>> {
    let words: Vec<&str> = match value {
        Value::String(text) => text.split(' ').collect(),
        _ => texts(value)?,
    };
    Some(words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// Returns a claim's value for a slot. PostgreSQL does not accept a text with NUL.
pub(super) fn slot(value: &Value) -> ClaimValue {
    match value {
        Value::String(text) if !text.contains('\0') => ClaimValue::Text(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => {
            ClaimValue::Text(number.to_string())
        }
        Value::Bool(truth) => ClaimValue::Text(truth.to_string()),
        _ => ClaimValue::Unusable,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("an object is meant") };
        map
    }

    fn find(path: &str, claims: Value) -> Option<Value> {
        ClaimPath::parse(path).unwrap().find(&object(claims)).cloned()
    }

    #[test]
    fn a_name_that_is_a_key_as_a_whole_wins_over_a_walk() {
        let claims = json!({ "a.b": 1, "a": { "b": 2, "c": { "d": 3 } }, "custom:x": 4 });
        assert_eq!(find("a.b", claims.clone()), Some(json!(1)));
        assert_eq!(find("a.c.d", claims.clone()), Some(json!(3)));
        assert_eq!(find("custom:x", claims.clone()), Some(json!(4)));
        for missing in ["a.b.c", "a.x", "x", "a.", ".a", "."] {
            assert_eq!(find(missing, claims.clone()), None, "{missing}");
        }
        let roles = json!({ "https://example.com/roles": "ops" });
        assert_eq!(find("https://example.com/roles", roles), Some(json!("ops")));
    }

    #[test]
    fn a_claim_has_a_name() {
        for text in ["", "a\nb", "\0"] {
            assert_eq!(ClaimPath::parse(text), Err(InvalidClaimPath));
        }
    }

    #[test]
    fn every_rule_that_matches_gives_its_role() {
        let rules = RoleRules::parse([
            (Role::Viewer, "scope=read"),
            (Role::Editor, "cognito:groups=writers"),
            (Role::Admin, "realm_access.roles=a=b"),
        ])
        .unwrap();
        let given = |claims: Value, scopes: &[&str]| {
            let scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
            rules.roles(&object(claims), &scopes).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(
            given(
                json!({ "cognito:groups": ["x", "writers"], "realm_access": { "roles": "a=b" } }),
                &["read"]
            ),
            Role::ALL
        );
        assert_eq!(given(json!({ "scope": "read" }), &[]), []);
        assert_eq!(given(json!({}), &["read/all", "reader"]), []);
        for odd in [json!("writers x"), json!(7), json!(null), json!({ "writers": 1 })] {
            assert_eq!(given(json!({ "cognito:groups": odd }), &[]), []);
        }
        assert_eq!(given(json!({ "cognito:groups": ["writers", 1] }), &[]), []);
    }

    #[test]
    fn a_rule_is_a_claim_and_a_value() {
        for text in ["", "scope", "=x", "scope="] {
            let parsed = RoleRules::parse([(Role::Viewer, text)]);
            assert_eq!(parsed, Err(InvalidRoleRule(text.into())));
        }
    }

    #[test]
    fn scopes_are_whole_words() {
        let of = |value: Value| scopes(&value).map(|set| set.into_iter().collect::<Vec<_>>());
        assert_eq!(of(json!(" b a  a")), Some(vec!["a".into(), "b".into()]));
        assert_eq!(of(json!(["a b", "c"])), Some(vec!["a b".into(), "c".into()]));
        assert_eq!(of(json!("")), Some(vec![]));
        for odd in [json!(1), json!(null), json!(true), json!({ "a": 1 }), json!(["a", 1])] {
            assert_eq!(of(odd), None);
        }
    }

    #[test]
    fn a_slot_takes_one_value_and_no_more() {
        let text = |text: &str| ClaimValue::Text(text.into());
        assert_eq!(slot(&json!("acme")), text("acme"));
        assert_eq!(slot(&json!("")), text(""));
        assert_eq!(slot(&json!(-7)), text("-7"));
        assert_eq!(slot(&json!(u64::MAX)), text("18446744073709551615"));
        assert_eq!(slot(&json!(true)), text("true"));
        for odd in [json!(1.5), json!(1e30), json!(null), json!(["a"]), json!({}), json!("a\0b")] {
            assert_eq!(slot(&odd), ClaimValue::Unusable);
        }
    }
}
