//! Who asks: the callers of a scenario and the tokens that they show.

use std::{collections::BTreeMap, fmt};

/// Somebody with a token, or without one.
#[derive(Clone, PartialEq, Eq)]
pub enum Caller {
    /// Shows no token.
    Nobody,
    /// Shows this token, whatever it is.
    Bearer(String),
    /// Shows a token of metricd's own development issuer.
    Person(Person),
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::Person(person) => person.fmt(f),
        }
    }
}

/// Somebody whom the development issuer gives a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// `viewer`, `editor` or `admin`.
    pub role: String,
    /// The token's subject, unless it is the issuer's choice.
    pub name: Option<String>,
    /// Further claims.
    pub claims: BTreeMap<String, String>,
}

/// Outlives every clock that a scenario sets while its server runs.
const LIFETIME: &str = "720h";

impl Person {
    /// Somebody with this role and nothing else.
    #[must_use]
    pub fn new(role: &str) -> Self {
        Self { role: role.to_owned(), name: None, claims: BTreeMap::new() }
    }

    /// The arguments of `metricd` that print such a token.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            ["token", "--role", &self.role, "--ttl", LIFETIME].map(str::to_owned).into();
        if let Some(name) = &self.name {
            arguments.extend(["--subject".into(), name.clone()]);
        }
        for (name, value) in &self.claims {
            arguments.extend(["--claim".into(), format!("{name}={value}")]);
        }
        arguments
    }
}

/// Whether metricd answers a path to anybody.
#[must_use]
pub fn is_open(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    matches!(path, "/" | "/openapi.json" | "/.well-known/jwks.json" | "/auth/config")
        || ["/health", "/docs"].iter().any(|open| path.starts_with(open))
}
