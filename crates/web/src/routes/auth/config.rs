//! `GET /auth/config`

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

/// How a caller comes by a token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SignIn {
    /// Whether this server is its own issuer, for development: `metricd token` makes its tokens.
    pub development: bool,
    /// The issuers whose tokens are taken.
    pub issuers: Vec<IssuerInfo>,
}

/// An issuer whose tokens are taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IssuerInfo {
    /// Its name, and for OpenID Connect the address that its configuration is found under.
    #[schema(example = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE")]
    pub issuer: String,
    /// The application that a browser signs in as, if one was set up.
    pub client_id: Option<String>,
    /// The scope that a token needs.
    #[schema(example = "api/backend_access")]
    pub scope: Option<String>,
}

/// How to sign in
///
/// Needs no token.
#[utoipa::path(
    get, path = "/auth/config", operation_id = "get_auth_config", tag = "auth",
    responses((status = 200, description = "The issuers whose tokens are taken", body = SignIn)),
)]
pub(crate) async fn handler(State(sign_in): State<Arc<SignIn>>) -> Json<SignIn> {
    Json(SignIn::clone(&sign_in))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::test_support::{TestApp, get};

    #[tokio::test]
    async fn the_issuers_are_listed_without_a_token() {
        let response = TestApp::new().send(get("/auth/config").without_token()).await;
        assert_eq!(response.status, 200);
        let expected = json!({
            "development": false,
            "issuers": [{
                "issuer": "https://issuer.example", "client_id": null, "scope": "metrics",
            }],
        });
        assert_eq!(response.json(), expected);
    }
}
