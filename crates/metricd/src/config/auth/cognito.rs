//! `[cognito]`: a user pool of AWS Cognito.

use metricd_infrastructure::auth::{IssuerConfig, IssuerKind, KeySource, RoleRules, Url};

use super::trusted_issuer::{DEFAULT_SCOPE, TrustedIssuer, url};
use crate::config::{
    declare::settings,
    reader::SettingsReader,
    types::{optional, optional_parsed, optional_strings},
};

settings! {
    /// A user pool of AWS Cognito whose tokens are accepted ([guide](signing-in.md)).
    pub(super) struct CognitoSettings in "cognito" {
        /// The region of the user pool.
        region: Option<String> = optional("string", "none"), env "AWS_REGION";
        /// The user pool.
        user_pool_id: Option<String> = optional("string", "none"), env "USER_POOL_ID";
        /// The app clients whose tokens are accepted; a browser signs in as the first one.
        client_id: Option<Vec<String>> =
            optional_strings("list of strings", "none"), env "USER_POOL_CLIENT_ID";
        /// The scope that a token needs.
        scope: Option<String> = optional("string", "`api/backend_access`");
        /// The URL of the user pool's keys.
        jwks_uri: Option<Url> = optional_parsed("URL", "the user pool's own", url);
    }
}

impl CognitoSettings {
    /// Returns the user pool, if one is configured.
    pub(super) fn user_pool(
        self,
        roles: &RoleRules,
        reader: &mut SettingsReader,
    ) -> Option<TrustedIssuer> {
        if !self.is_set() {
            return None;
        }
        self.reject_missing(reader);
        let (Some(region), Some(pool), Some(clients)) =
            (self.region, self.user_pool_id, self.client_id)
        else {
            return None;
        };
        reject_malformed(&region, &pool, reader);
        let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
        let keys = self.jwks_uri;
        let keys = keys.or_else(|| format!("{issuer}/.well-known/jwks.json").parse().ok())?;
        let client_id = clients.first().cloned();
        let kind = IssuerKind::Cognito { client_ids: clients.into_iter().collect() };
        let config = IssuerConfig {
            required_scope: Some(self.scope.unwrap_or_else(|| DEFAULT_SCOPE.to_owned())),
            roles: roles.clone(),
            ..IssuerConfig::new(issuer, KeySource::Jwks(keys), kind)
        };
        Some(TrustedIssuer { config, client_id })
    }

    /// Whether a user pool is meant. The region alone does not say so: machines of AWS set it.
    fn is_set(&self) -> bool {
        self.user_pool_id.is_some()
            || self.client_id.is_some()
            || self.scope.is_some()
            || self.jwks_uri.is_some()
    }

    fn reject_missing(&self, reader: &mut SettingsReader) {
        let no_client = self.client_id.as_ref().is_none_or(Vec::is_empty);
        for (variable, key, is_missing) in [
            ("AWS_REGION", "cognito.region", self.region.is_none()),
            ("USER_POOL_ID", "cognito.user_pool_id", self.user_pool_id.is_none()),
            ("USER_POOL_CLIENT_ID", "cognito.client_id", no_client),
        ] {
            if is_missing {
                let fault = format!("is missing ({variable}), and the other parts are set");
                reader.reject(key, fault);
            }
        }
    }
}

fn reject_malformed(region: &str, pool: &str, reader: &mut SettingsReader) {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    if !plain(region) {
        reader.reject("cognito.region", "must be a region such as eu-central-1");
    }
    if !plain(pool) || !pool.starts_with(&format!("{region}_")) {
        let fault = format!("must be a pool such as {region}_EXAMPLE");
        reader.reject("cognito.user_pool_id", fault);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::load;

    #[test]
    fn a_part_of_a_user_pool_is_not_enough() {
        let faults =
            load("[cognito]\nuser_pool_id = 'eu-central-1_EXAMPLE'\n").unwrap_err().to_string();
        assert!(
            faults.contains("AWS_REGION") && faults.contains("USER_POOL_CLIENT_ID"),
            "{faults}"
        );
        assert!(!faults.contains("USER_POOL_ID)"), "{faults}");
        let faults = load("[cognito]\nscope = 'api/read'\n").unwrap_err().to_string();
        for name in ["AWS_REGION", "USER_POOL_ID", "USER_POOL_CLIENT_ID"] {
            assert!(faults.contains(name), "{name} is missing in {faults}");
        }
        assert!(load("[cognito]\nregion = 'eu-central-1'\n").unwrap().auth.issuers.is_empty());
    }

    #[test]
    fn a_user_pool_is_of_its_region() {
        let pool = |region: &str| {
            load(&format!(
                "[cognito]\nregion = '{region}'\nuser_pool_id = 'eu-central-1_EXAMPLE'\n\
                 client_id = ['a', 'b']\n"
            ))
        };
        let config = pool("eu-central-1").unwrap();
        let issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE";
        assert_eq!(config.auth.issuers[0].config.issuer, issuer);
        assert_eq!(config.auth.issuers[0].client_id.as_deref(), Some("a"));
        assert!(pool("us-east-1").unwrap_err().to_string().contains("cognito.user_pool_id"));
        assert!(pool("evil.example/").unwrap_err().to_string().contains("cognito.region"));
    }
}
