//! Who the callers are: trusted issuers, and what their tokens' claims mean.

mod claims;
mod cognito;
mod issuers;
mod roles;
mod trusted_issuer;

use std::collections::{BTreeMap, BTreeSet};

use metricd_core::claim::ClaimName;
use metricd_infrastructure::auth::{ClaimPath, RoleRules};

use super::{
    declare::{SectionDeclaration, SettingsSection},
    reader::SettingsReader,
};
use claims::ClaimSettings;
use cognito::CognitoSettings;
use issuers::IssuerSettings;
use roles::RoleSettings;
pub(crate) use trusted_issuer::TrustedIssuer;

/// Who the callers are.
#[derive(Debug, Clone)]
pub(crate) struct AuthSettings {
    /// The trusted issuers: the user pool of `[cognito]` and those of `auth.issuers`. With none,
    /// metricd is its own issuer, for development.
    pub(crate) issuers: Vec<TrustedIssuer>,
    /// Which claims give which roles.
    pub(crate) roles: RoleRules,
    /// The claim that fills the slot `:claim_<name>` of a template.
    pub(crate) claims: BTreeMap<ClaimName, ClaimPath>,
}

impl AuthSettings {
    /// Returns the claims that templates may use.
    pub(crate) fn claim_names(&self) -> BTreeSet<ClaimName> {
        self.claims.keys().cloned().collect()
    }
}

impl SettingsSection for AuthSettings {
    fn declarations() -> Vec<SectionDeclaration> {
        [
            CognitoSettings::declarations(),
            IssuerSettings::declarations(),
            RoleSettings::declarations(),
            ClaimSettings::declarations(),
        ]
        .concat()
    }

    fn read(reader: &mut SettingsReader) -> Self {
        let roles = RoleSettings::read(reader).rules(reader);
        let pool = CognitoSettings::read(reader).user_pool(&roles, reader);
        let others = IssuerSettings::read(reader).trusted(&roles, reader);
        let issuers = pool.into_iter().chain(others).collect();
        Self { issuers, roles, claims: ClaimSettings::read(reader).paths(reader) }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    #[test]
    fn roles_claims_and_origins_are_checked() {
        let faults = load(
            "[roles]\nadmin = ['ops']\n[claims]\nTenant = 'x'\ntenant = ''\n\
             [http]\ncors_origins = ['https://a.example/', '*']\ntrusted_proxies = ['10.0.0.0/99']\n",
        )
        .unwrap_err()
        .to_string();
        for part in [
            "roles.admin: a rule",
            "claims.Tenant: a claim name is",
            "claims.tenant: the name",
            "`https://a.example/`",
            "`*`",
            "`10.0.0.0/99`",
        ] {
            assert!(faults.contains(part), "{part} is missing in {faults}");
        }
        let config = load(
            "[claims]\ntenant_id = 'custom:tenant_id'\n\
             [http]\ncors_origins = 'https://a.example, http://localhost:5173'\n\
             trusted_proxies = '10.0.0.0/8, ::1'\n",
        )
        .unwrap();
        assert_eq!(config.http.cors_origins.len(), 2);
        assert_eq!(config.http.trusted_proxies.len(), 2);
        let claim = config.auth.claims.first_key_value().unwrap();
        assert_eq!((claim.0.as_str(), claim.1.as_str()), ("tenant_id", "custom:tenant_id"));
    }
}
