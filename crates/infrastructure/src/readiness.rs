//! Asks a metricd whether it is ready, as a health check does.

use std::{net::SocketAddr, time::Duration};

use reqwest::{StatusCode, Url};
use thiserror::Error;

use crate::http::{self, Http};

/// How long it may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The most bytes of an answer.
const MAX_BYTES: usize = 4 * 1024;

/// The reason why a metricd is not ready.
#[derive(Debug, Error)]
pub enum NotReady {
    /// Nothing answered.
    #[error("no metricd answers at {address}")]
    Unreachable {
        /// Where it was asked.
        address: SocketAddr,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It says that it is not.
    #[error("the metricd at {address} is not ready: {said}")]
    Unready {
        /// Where it was asked.
        address: SocketAddr,
        /// What it said.
        said: String,
    },
}

/// Asks the metricd that listens at `address`.
///
/// # Errors
/// When it does not answer, or is not ready.
pub async fn check_readiness(address: SocketAddr) -> Result<(), NotReady> {
    let unreachable = |source| NotReady::Unreachable { address, source };
    let http = Http::new().map_err(|error| unreachable(error.into()))?;
    let url = Url::parse(&format!("http://{address}/health/ready"));
    let url = url.map_err(|error| unreachable(error.into()))?;
    let request = http.client(&url).get(url.clone()).timeout(TIMEOUT);
    let mut response = request.send().await.map_err(|error| unreachable(error.into()))?;
    if response.status() == StatusCode::OK {
        return Ok(());
    }
    let body = http::body(&mut response, MAX_BYTES).await;
    let body = body.map_err(|error| unreachable(error.into()))?;
    let said = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    Err(NotReady::Unready { address, said })
}
