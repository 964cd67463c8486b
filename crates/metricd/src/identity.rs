//! Who is let in: the issuers that the settings name, or metricd's own issuer for development.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use metricd_application::ports::{Clock, TokenVerifier};
use metricd_core::actor::Role;
use metricd_infrastructure::auth::{DevelopmentIssuer, TokenRequest, Verifier};
use metricd_web::{IssuerInfo, SignIn};
use serde_json::Value;

use crate::config::{Config, TrustedIssuer};

/// Everything about who is calling.
pub(crate) struct Identity {
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    pub(crate) sign_in: SignIn,
    development: Option<DevelopmentIssuer>,
}

/// The flag without which the development issuer's tokens open nothing from afar.
const LOUD_FLAG: &str = "--insecure-development-tokens-on-the-network";

/// Reads or makes what is needed to verify tokens. Asks no issuer yet.
pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<Identity> {
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
    let trusted = trusted.into_iter().map(|issuer| issuer.config).collect();
    let verifier = Arc::new(Verifier::new(trusted, auth.claims.clone(), clock)?);
    Ok(Identity { verifier, sign_in, development })
}

impl Identity {
    /// The public keys of the development issuer, if there is one.
    pub(crate) fn development_keys(&self) -> Option<Value> {
        self.development.as_ref().map(DevelopmentIssuer::jwks)
    }

    /// Whoever can read the development key is whoever they say they are: only this machine may be
    /// asked with its tokens, unless somebody insists.
    pub(crate) fn refuse_strangers(&self, listen: SocketAddr, insists: bool) -> anyhow::Result<()> {
        if self.development.is_none() || listen.ip().is_loopback() || insists {
            return Ok(());
        }
        bail!(
            "refusing to listen on {listen}: no issuer is configured, so tokens are metricd's own, for \
             development. Configure an issuer (USER_POOL_ID and its kin, or auth.issuers), listen on \
             a loopback address such as 127.0.0.1:8000, or insist with {LOUD_FLAG}"
        )
    }

    /// A token of the development issuer for an editor who tries metricd out.
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
        issuer.mint(&request, clock.now()).map(Some).context("cannot make a token")
    }
}
