//! Authentication: the issuers that the settings name, or metricd's own development issuer.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use metricd_application::ports::{Clock, TokenVerifier};
use metricd_core::actor::Role;
use metricd_infrastructure::auth::{DevelopmentIssuer, TokenRequest, Verifier};
use metricd_web::{IssuerInfo, SignIn};
use serde_json::Value;

use crate::config::{Config, TrustedIssuer};

/// What authentication needs.
pub(crate) struct IdentityProvider {
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    pub(crate) sign_in: SignIn,
    development: Option<DevelopmentIssuer>,
}

/// The flag that lets other machines use tokens of the development issuer.
const NETWORK_FLAG: &str = "--insecure-development-tokens-on-the-network";

/// Reads or creates what is needed to verify tokens. Calls no issuer yet.
pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<IdentityProvider> {
    let auth = &config.auth;
    let development = match auth.issuers.as_slice() {
        [] => Some(DevelopmentIssuer::open(&config.general.data_dir)?),
        _ => None,
    };
    let trusted = match &development {
        Some(issuer) => {
            let config = issuer.issuer_config(auth.roles.clone());
            vec![TrustedIssuer { config, client_id: None }]
        }
        None => auth.issuers.clone(),
    };
    let issuers = trusted
        .iter()
        .map(|TrustedIssuer { config, client_id }| IssuerInfo {
            issuer: config.issuer.clone(),
            client_id: client_id.clone(),
            scope: config.required_scope.clone(),
        })
        .collect();
    let sign_in = SignIn { development: development.is_some(), issuers };
    let verifier = Arc::new(verifier_of(&trusted, config, clock)?);
    Ok(IdentityProvider { verifier, sign_in, development })
}

/// The verifier of the configured issuers' tokens.
pub(crate) fn verifier(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Verifier> {
    verifier_of(&config.auth.issuers, config, clock)
}

fn verifier_of(
    trusted: &[TrustedIssuer],
    config: &Config,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Verifier> {
    let trusted = trusted.iter().map(|issuer| issuer.config.clone()).collect();
    Ok(Verifier::new(trusted, config.auth.claims.clone(), clock)?)
}

impl IdentityProvider {
    /// Returns the public keys of the development issuer, if there is one.
    pub(crate) fn development_keys(&self) -> Option<Value> {
        self.development.as_ref().map(DevelopmentIssuer::jwks)
    }

    /// Refuses to listen on the network with the development issuer, unless `allows_network`: any
    /// process that can read its key can impersonate any caller.
    pub(crate) fn require_loopback(
        &self,
        listen: SocketAddr,
        allows_network: bool,
    ) -> anyhow::Result<()> {
        if self.development.is_none() || listen.ip().is_loopback() || allows_network {
            return Ok(());
        }
        bail!(
            "refusing to listen on {listen}: no issuer is configured, so that tokens come from the \
             development issuer. Configure an issuer ([cognito] or auth.issuers), listen on a \
             loopback address such as 127.0.0.1:8000, or add {NETWORK_FLAG}"
        )
    }

    /// Issues a token of the development issuer for the editor of the demo.
    pub(crate) fn demo_token(&self, clock: &dyn Clock) -> anyhow::Result<Option<String>> {
        let Some(issuer) = &self.development else {
            return Ok(None);
        };
        let request = TokenRequest {
            role: Role::Editor,
            ttl: std::time::Duration::from_hours(12),
            subject: Some("demo".to_owned()),
            claims: serde_json::Map::new(),
        };
        issuer.mint(&request, clock.now()).map(Some).context("cannot issue a token")
    }
}
