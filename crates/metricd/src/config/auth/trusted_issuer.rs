//! A trusted issuer, whichever section it comes from.

use metricd_infrastructure::auth::{IssuerConfig, Url};

/// The scope that tokens of Cognito need unless another one is set, and that makes an editor where no
/// roles are set.
pub(super) const DEFAULT_SCOPE: &str = "api/backend_access";

/// An issuer, and what a browser needs to sign in there.
#[derive(Debug, Clone)]
pub(crate) struct TrustedIssuer {
    pub(crate) config: IssuerConfig,
    /// The application that a browser signs in as.
    pub(crate) client_id: Option<String>,
}

/// Parses the address of an issuer.
pub(super) fn url(text: &str) -> Result<Url, String> {
    // The text is not repeated: it may hold a password.
    text.parse().map_err(|error| format!("the address cannot be read: {error}"))
}
