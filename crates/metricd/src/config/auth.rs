//! Settings about who is calling: issuers, roles, claims.

use std::collections::{BTreeMap, BTreeSet};

use metricd_core::{actor::Role, claim::ClaimName};
use metricd_infrastructure::auth::{
    ClaimPath, IssuerConfig, IssuerKind, KeySource, RoleRules, Url,
};
use serde::Deserialize;

use super::Reader;

/// The scope that tokens of Cognito need unless another one is set, and the one that makes an editor
/// where no roles are set.
const DEFAULT_SCOPE: &str = "api/backend_access";

/// Who is let in, and as what.
#[derive(Debug, Clone)]
pub(crate) struct AuthSettings {
    /// The issuers whose tokens are taken: the user pool of `[cognito]` and those of `auth.issuers`.
    /// With none, metricd is its own issuer, for development.
    pub(crate) issuers: Vec<TrustedIssuer>,
    /// `[roles]`: which claims give which roles, as `claim=value`. Default: `scope=api/backend_access`
    /// makes an editor.
    pub(crate) roles: RoleRules,
    /// `[claims]`: the claim that fills the slot `:claim_<key>` of a template. Default none.
    pub(crate) claims: BTreeMap<ClaimName, ClaimPath>,
}

impl AuthSettings {
    /// The claims that templates may ask for.
    pub(crate) fn claim_names(&self) -> BTreeSet<ClaimName> {
        self.claims.keys().cloned().collect()
    }
}

/// An issuer, and what a browser needs to sign in there.
#[derive(Debug, Clone)]
pub(crate) struct TrustedIssuer {
    pub(crate) config: IssuerConfig,
    /// `client_id`: the application that a browser signs in as.
    pub(crate) client_id: Option<String>,
}

/// `auth.issuers`: an OpenID Connect issuer.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OidcSettings {
    /// Its address, as its tokens write it under `iss`.
    issuer: Option<String>,
    /// What its tokens must name under `aud`; one or several.
    audience: Option<OneOrMore>,
    /// Where its keys are, if not where its configuration says.
    jwks_uri: Option<String>,
    /// The scope that its tokens need. Default none.
    scope: Option<String>,
    /// Where its tokens say their scopes. Default `scope`.
    scope_claim: Option<String>,
    /// Where its tokens say who the caller is. Default `sub`.
    subject_claim: Option<String>,
    /// The application that a browser signs in as.
    client_id: Option<String>,
}

/// A text, or a list of texts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    /// The texts; one text may hold several, parted by commas, as the environment has no lists.
    pub(super) fn into_vec(self) -> Vec<String> {
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

impl Reader {
    pub(super) fn auth(&mut self) -> AuthSettings {
        let roles = self.roles();
        let mut issuers: Vec<TrustedIssuer> = self.cognito(&roles).into_iter().collect();
        issuers.extend(self.oidc(&roles));
        AuthSettings { issuers, roles, claims: self.claims() }
    }

    fn roles(&mut self) -> RoleRules {
        let mut all = RoleRules::default();
        let mut is_set = false;
        for role in Role::ALL {
            let key = format!("roles.{role}");
            let Some(rules) = self.value::<OneOrMore>(&key) else { continue };
            is_set = true;
            for rule in rules.into_vec() {
                match RoleRules::parse([(role, rule.as_str())]) {
                    Ok(rule) => all = all.and(rule),
                    Err(error) => self.faults.push(format!("{key}: {error}")),
                }
            }
        }
        if is_set {
            return all;
        }
        let default = format!("scope={DEFAULT_SCOPE}");
        RoleRules::parse([(Role::Editor, default.as_str())])
            .unwrap_or_else(|_| unreachable!("the default rule parses"))
    }

    fn claims(&mut self) -> BTreeMap<ClaimName, ClaimPath> {
        let set = self.value::<BTreeMap<String, String>>("claims").unwrap_or_default();
        let mut claims = BTreeMap::new();
        for (name, path) in set {
            let key = format!("claims.{name}");
            match (ClaimName::parse(name), ClaimPath::parse(path)) {
                (Ok(name), Ok(path)) => {
                    claims.insert(name, path);
                }
                (Err(error), _) => self.faults.push(format!("{key}: {error}")),
                (_, Err(error)) => self.faults.push(format!("{key}: {error}")),
            }
        }
        claims
    }

    /// The user pool, if one is meant. The region alone means nothing: machines of AWS set it.
    fn cognito(&mut self, roles: &RoleRules) -> Option<TrustedIssuer> {
        let region = self.value::<String>("cognito.region");
        let pool = self.value::<String>("cognito.user_pool_id");
        let clients = self.value::<OneOrMore>("cognito.client_id").map(OneOrMore::into_vec);
        let scope = self.value::<String>("cognito.scope");
        let jwks = self.url("cognito.jwks_uri");
        if pool.is_none() && clients.is_none() && scope.is_none() && jwks.is_none() {
            return None;
        }
        let needed = [
            ("AWS_REGION", "cognito.region", region.is_none()),
            ("USER_POOL_ID", "cognito.user_pool_id", pool.is_none()),
            (
                "USER_POOL_CLIENT_ID",
                "cognito.client_id",
                clients.as_ref().is_none_or(Vec::is_empty),
            ),
        ];
        for (name, key, _) in needed.into_iter().filter(|(.., is_missing)| *is_missing) {
            self.faults.push(format!("{key}: is missing ({name}), and the other parts are set"));
        }
        let (Some(region), Some(pool), Some(clients)) = (region, pool, clients) else {
            return None;
        };
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        };
        if !plain(&region) {
            self.faults.push("cognito.region: must be a region such as eu-central-1".into());
        }
        if !plain(&pool) || !pool.starts_with(&format!("{region}_")) {
            let example = format!("{region}_EXAMPLE");
            self.faults.push(format!("cognito.user_pool_id: must be a pool such as {example}"));
        }
        let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
        let keys = jwks.or_else(|| format!("{issuer}/.well-known/jwks.json").parse().ok())?;
        let client_id = clients.first().cloned();
        let client_ids = clients.into_iter().collect();
        let kind = IssuerKind::Cognito { client_ids };
        let config = IssuerConfig {
            required_scope: Some(scope.unwrap_or_else(|| DEFAULT_SCOPE.to_owned())),
            roles: roles.clone(),
            ..IssuerConfig::new(issuer, KeySource::Jwks(keys), kind)
        };
        Some(TrustedIssuer { config, client_id })
    }

    fn oidc(&mut self, roles: &RoleRules) -> Vec<TrustedIssuer> {
        let all = self.value::<Vec<OidcSettings>>("auth.issuers").unwrap_or_default();
        let mut trusted = Vec::new();
        for (index, set) in all.into_iter().enumerate() {
            let place = format!("auth.issuers[{index}]");
            let missing = |what: &str| format!("{place}: {what} is missing");
            let audiences = set.audience.map(OneOrMore::into_vec).filter(|all| !all.is_empty());
            if set.issuer.is_none() {
                self.faults.push(missing("issuer"));
            }
            if audiences.is_none() {
                self.faults.push(missing("audience"));
            }
            let keys = match set.jwks_uri {
                Some(text) => self.parse_url(&place, &text).map(KeySource::Jwks),
                None => Some(KeySource::Discovery),
            };
            let scope_claim = self.claim_path(&place, set.scope_claim.as_deref());
            let subject_claim = self.claim_path(&place, set.subject_claim.as_deref());
            let (Some(issuer), Some(audiences), Some(keys)) = (set.issuer, audiences, keys) else {
                continue;
            };
            let kind = IssuerKind::Oidc { audiences: audiences.into_iter().collect() };
            let mut config = IssuerConfig::new(issuer, keys, kind);
            config.required_scope = set.scope;
            config.roles = roles.clone();
            if let Some(path) = scope_claim {
                config.scope_claim = path;
            }
            if let Some(path) = subject_claim {
                config.subject_claim = path;
            }
            trusted.push(TrustedIssuer { config, client_id: set.client_id });
        }
        trusted
    }

    fn claim_path(&mut self, place: &str, text: Option<&str>) -> Option<ClaimPath> {
        match ClaimPath::parse(text?) {
            Ok(path) => Some(path),
            Err(error) => {
                self.faults.push(format!("{place}: {error}"));
                None
            }
        }
    }

    fn url(&mut self, key: &str) -> Option<Url> {
        let text = self.value::<String>(key)?;
        self.parse_url(key, &text)
    }

    fn parse_url(&mut self, place: &str, text: &str) -> Option<Url> {
        match text.parse::<Url>() {
            Ok(url) => Some(url),
            // It may hold a password.
            Err(error) => {
                self.faults.push(format!("{place}: the address cannot be read: {error}"));
                None
            }
        }
    }
}
