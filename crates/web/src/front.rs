//! What every request goes through on its way to its handler and back, in order.

use std::{
    any::Any,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use axum::{
    Router,
    body::HttpBody as _,
    extract::{DefaultBodyLimit, Request},
    response::{IntoResponse as _, Response},
};
use futures::FutureExt as _;
use ipnet::IpNet;
use metricd_core::actor::Call;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;
use tracing::Instrument as _;

use crate::{
    middleware::{
        client::client,
        headers,
        limits::RequestLimits,
        pack::Taken,
        request::{Panicked, REQUEST_ID, Requests, Watch},
        slash,
    },
    problem::Problem,
};

/// metricd over HTTP: whatever is asked has an answer.
#[derive(Clone)]
pub struct Service(Arc<Front>);

/// What stands before all routes. It is no stack of layers: each of those would box every request that
/// goes through it and every response.
pub(crate) struct Front {
    pub(crate) requests: Requests,
    pub(crate) limits: RequestLimits,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(crate) proxies: Vec<IpNet>,
    /// Lets other origins' web pages ask, if there are any.
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) routes: Router,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    pub(crate) fn new(front: Front) -> Self {
        Self(Arc::new(front))
    }

    /// Answers a request that the machine `peer` has sent.
    pub async fn answer(&self, peer: SocketAddr, request: Request) -> Response {
        self.0.observed(peer.ip(), slash::trim(request)).await
    }
}

impl Front {
    /// Runs a request inside its span, and logs how it ended.
    async fn observed(&self, peer: IpAddr, mut request: Request) -> Response {
        let id = self.requests.id(&request);
        let span = self.requests.span(&request, &id);
        let call = Call {
            request_id: id.to_str().ok().map(str::to_owned),
            address: Some(client(peer.to_canonical(), request.headers(), &self.proxies)),
        };
        request.extensions_mut().insert(call);
        let watch = Watch::new(span.clone());
        let mut response = self.dressed(request).instrument(span).await;
        watch.answered(&response);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }

    /// Sees to what browsers and caches want of an answer.
    async fn dressed(&self, request: Request) -> Response {
        let response = match &self.cors {
            None => self.packed(request).await,
            Some(cors) => {
                let behind =
                    service_fn(async |request| Ok::<_, Infallible>(self.packed(request).await));
                let Ok(response) = cors.layer(behind).oneshot(request).await;
                response
            }
        };
        headers::secure(response)
    }

    async fn packed(&self, request: Request) -> Response {
        let taken = Taken::of(request.headers());
        taken.pack(self.bounded(request).await).await
    }

    /// Answers in time, whatever a handler does. What runs out of time is dropped, with its unit of work.
    async fn bounded(&self, mut request: Request) -> Response {
        if let Err(problem) = self.limits.check_head(&request) {
            return problem.into_response();
        }
        if !request.body().is_end_stream() {
            DefaultBodyLimit::max(self.limits.max_body_bytes).apply(&mut request);
        }
        let time = self.limits.time_for(&request);
        let mut routes = self.routes.clone();
        let answering = AssertUnwindSafe(async move { routes.call(request).await });
        match tokio::time::timeout(time, answering.catch_unwind()).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Err(payload)) => panicked(payload.as_ref()),
            Err(_) => Problem::deadline().into_response(),
        }
    }
}

fn panicked(payload: &(dyn Any + Send)) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default();
    Problem::internal(Panicked(message)).into_response()
}
