//! The callers of a scenario, and the tokens that they show.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A caller with a token, or without one.
#[derive(Clone, PartialEq, Eq)]
pub enum TestCaller {
    /// Shows no token.
    Anonymous,
    /// Shows this text as its token.
    Bearer(String),
    /// Shows a token of metricd's development issuer.
    User(TestUser),
}

impl fmt::Debug for TestCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Bearer(_) => f.write_str("Bearer"),
            Self::User(user) => user.fmt(f),
        }
    }
}

/// A user to whom the development issuer gives a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestUser {
    /// `viewer`, `editor` or `admin`.
    pub role: String,
    /// The token's subject, unless it is the issuer's choice.
    pub name: Option<String>,
    /// Further claims.
    pub claims: BTreeMap<String, String>,
}

/// Outlives every clock that a scenario sets while its server runs.
const LIFETIME: &str = "720h";

impl TestUser {
    /// A user with this role and nothing else.
    #[must_use]
    pub fn new(role: &str) -> Self {
        Self { role: role.to_owned(), name: None, claims: BTreeMap::new() }
    }

    /// Returns the arguments of `metricd` that print the user's token.
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

/// The parts of the tokens that a scenario has shown.
#[derive(Default)]
pub struct Secrets(BTreeSet<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// A shorter part, such as the word `Bearer`, is no secret.
const SHORTEST_SECRET: usize = 20;

impl Secrets {
    /// Adds a token, or a header with one.
    pub fn add(&mut self, token: &str) {
        let parts = token.split(['.', ' ']).filter(|part| part.len() >= SHORTEST_SECRET);
        self.0.extend(parts.map(str::to_owned));
    }

    /// Whether any part of any token is in a text.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|part| text.contains(part))
    }
}

/// Whether metricd answers a path without a token.
#[must_use]
pub fn is_open(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    matches!(path, "/" | "/openapi.json" | "/.well-known/jwks.json" | "/auth/config")
        || ["/health", "/docs"].iter().any(|open| path.starts_with(open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_token_is_a_secret_and_what_stands_around_it_is_not() {
        let parts =
            ["header", "claims", "signature"].map(|name| format!("{name}-{}", "x".repeat(20)));
        let mut secrets = Secrets::default();
        secrets.add(&format!("Bearer {}", parts.join(".")));
        for part in &parts {
            assert!(secrets.are_in(&format!("a request with {part} in it")), "{part}");
            assert!(!format!("{secrets:?}").contains(part), "{part}");
        }
        assert!(!secrets.are_in("Bearer of nothing"));
    }

    #[test]
    fn an_open_path_is_open_with_any_query() {
        assert!(["/health", "/docs/", "/", "/auth/config?x=1"].into_iter().all(is_open));
        assert!(!["/metrics", "/auth", "/audit?next=/health"].into_iter().any(is_open));
    }
}
