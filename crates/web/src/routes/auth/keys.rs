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
