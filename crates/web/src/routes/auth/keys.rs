//! `GET /.well-known/jwks.json`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::Value;

use crate::{failures::NoKeys, problem::Problem};

/// The public keys of the development issuer, if this server is one.
#[derive(Debug, Clone)]
pub(crate) struct DevelopmentKeys(pub(crate) Option<Arc<Value>>);

/// The keys of the development issuer
///
/// Needs no token. A server whose tokens come from elsewhere has none.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", operation_id = "get_development_keys", tag = "auth",
    responses(
        (status = 200, description = "A JSON Web Key Set", body = Object),
        NoKeys,
    ),
)]
pub(crate) async fn handler(
    State(DevelopmentKeys(keys)): State<DevelopmentKeys>,
) -> Result<Json<Value>, Problem> {
    let detail = "Token issuing is disabled: tokens come from the issuers of /auth/config";
    keys.map(|keys| Json(Value::clone(&keys)))
        .ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, detail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::test_support::{Run, TestApp, get};

    #[tokio::test]
    async fn the_development_keys_are_shown_without_a_token() {
        let keys = json!({"keys": []});
        let app =
            TestApp::with(Run::OneRow, |parts, _| parts.development_keys = Some(keys.clone()));
        let response = app.send(get("/.well-known/jwks.json").without_token()).await;
        assert_eq!((response.status, response.json()), (200, keys));
    }

    #[tokio::test]
    async fn a_server_that_issues_no_tokens_has_no_keys() {
        let response = TestApp::new().send(get("/.well-known/jwks.json").without_token()).await;
        assert_eq!(response.status, 404);
    }
}
