//! What handlers take from the app.

use std::sync::Arc;

use axum::extract::FromRef;
use metricd_application::context::Context;

use crate::routes::{
    auth::{config::SignIn, keys::DevelopmentKeys},
    records::upload::UploadLimits,
};

/// The state of the router, which is cloned for each request.
#[derive(Clone)]
pub(crate) struct AppState {
    pub(crate) context: Arc<Context>,
    pub(crate) sign_in: Arc<SignIn>,
    pub(crate) keys: DevelopmentKeys,
    pub(crate) upload_limits: UploadLimits,
}

impl FromRef<AppState> for UploadLimits {
    fn from_ref(state: &AppState) -> Self {
        state.upload_limits
    }
}

impl FromRef<AppState> for Arc<Context> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.context)
    }
}

impl FromRef<AppState> for Arc<SignIn> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.sign_in)
    }
}

impl FromRef<AppState> for DevelopmentKeys {
    fn from_ref(state: &AppState) -> Self {
        state.keys.clone()
    }
}
