//! `[[auth.issuers]]`: OpenID Connect issuers.

use metricd_infrastructure::auth::{ClaimPath, IssuerConfig, IssuerKind, KeySource, RoleRules};

use super::trusted_issuer::{TrustedIssuer, url};
use crate::config::{
    declare::settings,
    reader::SettingsReader,
    types::{optional, optional_strings, tables},
};

settings! {
    /// OpenID Connect issuers whose tokens are accepted
    /// ([guide](signing-in.md#any-openid-connect-issuer)).
    pub(super) struct IssuerSettings in "auth" {
        /// The issuers, each a table `[[auth.issuers]]`.
        issuers: Vec<OidcIssuer> = tables("none: without Cognito, the development issuer");
    }
}

settings! {
    /// An OpenID Connect issuer.
    pub(super) struct OidcIssuer in "" {
        /// The issuer's URL, as its tokens state it under `iss`.
        issuer: Option<String> = optional("URL", "none: it must be set");
        /// What its tokens must state under `aud`; one of several.
        audience: Option<Vec<String>> = optional_strings("list of strings", "none: it must be set");
        /// The URL of its keys.
        jwks_uri: Option<String> = optional("URL", "by discovery");
        /// The scope that a token needs.
        scope: Option<String> = optional("string", "none");
        /// The claim that holds a token's scopes.
        scope_claim: Option<String> = optional("path of a claim", "`scope`");
        /// The claim that names the caller.
        subject_claim: Option<String> = optional("path of a claim", "`sub`");
        /// The application that a browser signs in as.
        client_id: Option<String> = optional("string", "none");
    }
}

impl IssuerSettings {
    pub(super) fn trusted(
        self,
        roles: &RoleRules,
        reader: &mut SettingsReader,
    ) -> Vec<TrustedIssuer> {
        let issuers = self.issuers.into_iter().enumerate();
        issuers
            .filter_map(|(index, issuer)| {
                issuer.trusted(&format!("auth.issuers[{index}]"), roles, reader)
            })
            .collect()
    }
}

impl OidcIssuer {
    fn trusted(
        self,
        place: &str,
        roles: &RoleRules,
        reader: &mut SettingsReader,
    ) -> Option<TrustedIssuer> {
        let audiences = self.audience.filter(|all| !all.is_empty());
        if self.issuer.is_none() {
            reader.reject(place, "issuer is missing");
        }
        if audiences.is_none() {
            reader.reject(place, "audience is missing");
        }
        let keys = match self.jwks_uri {
            Some(text) => {
                url(&text).map(KeySource::Jwks).map_err(|error| reader.reject(place, error)).ok()
            }
            None => Some(KeySource::Discovery),
        };
        let mut path = |text: Option<String>| {
            ClaimPath::parse(text?).map_err(|error| reader.reject(place, error)).ok()
        };
        let (scope_claim, subject_claim) = (path(self.scope_claim), path(self.subject_claim));

        let kind = IssuerKind::Oidc { audiences: audiences?.into_iter().collect() };
        let mut config = IssuerConfig::new(self.issuer?, keys?, kind);
        config.required_scope = self.scope;
        config.roles = roles.clone();
        if let Some(path) = scope_claim {
            config.scope_claim = path;
        }
        if let Some(path) = subject_claim {
            config.subject_claim = path;
        }
        Some(TrustedIssuer { config, client_id: self.client_id })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    #[test]
    fn an_issuer_has_all_required_and_no_unknown_settings() {
        let faults = load(
            "[[auth.issuers]]\nissuer = 'https://a.example'\n\
             [[auth.issuers]]\naudience = ''\njwks_uri = 'nowhere'\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "auth.issuers[0]: audience is missing",
            "auth.issuers[1]: issuer is missing",
            "auth.issuers[1]: audience is missing",
            "auth.issuers[1]: the address cannot be read",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        let faults = load(
            "[[auth.issuers]]\nissuer = 'https://a.example'\naudience = 'x'\naudiense = 'x'\n",
        );
        let faults = faults.unwrap_err().to_string();
        assert!(faults.contains("auth.issuers") && faults.contains("audiense"), "{faults}");
    }
}
