//! Support for tests of the whole app in one process: an [`App`] over ports in memory.
//!
//! Any token is valid and names its caller: every one but [`DENIED`] has every permission.

mod memory;
mod runner;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, Method, Request, header},
};
use metricd_application::{
    admission::Admission,
    context::{Adapters, Approval, Context, ContextSettings, Zones},
    freshness::AnswerCacheSettings,
};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use memory::MemoryDatabase;
use memory::{AnyToken, CountingIds, DenyOne, FixedTime};
pub(crate) use runner::{FakeRunner, Run};

use crate::{
    answer::JsonAnswers,
    app::{App, AppParts, AppSettings},
    routes::auth::config::{IssuerInfo, SignIn},
};

/// The token of a caller without any permission.
pub(crate) const DENIED: &str = "denied";
/// The id of the metric that is there from the beginning.
pub(crate) const METRIC: &str = "00000000-0000-0000-0000-000000000001";
/// An id that no metric has.
pub(crate) const UNKNOWN: &str = "00000000-0000-0000-0000-0000000000ff";
/// The SQL of the metric.
pub(crate) const SQL: &str = "SELECT count(*) AS n FROM orders";
/// A value of a row, which generators of queries may see and no response holds.
pub(crate) const SAMPLE: &str = "vermilion";

/// The largest body that is not an upload.
pub(crate) const MAX_BODY_BYTES: usize = 4_096;

pub(crate) const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// An app over a database in memory, which has one metric.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) database: MemoryDatabase,
}

impl TestApp {
    /// An app whose queries return one row.
    pub(crate) fn new() -> Self {
        Self::with_runner(Run::OneRow)
    }

    /// An app whose queries run like this.
    pub(crate) fn with_runner(run: Run) -> Self {
        Self::with(run, |_, _| {})
    }

    /// An app whose parts and settings `change` has adapted.
    pub(crate) fn with(run: Run, change: impl FnOnce(&mut AppParts, &mut AppSettings)) -> Self {
        let database = MemoryDatabase::with_metric();
        let mut parts = AppParts {
            context: context(&database, run),
            verifier: Arc::new(AnyToken),
            sign_in: SignIn {
                development: false,
                issuers: vec![IssuerInfo {
                    issuer: "https://issuer.example".into(),
                    client_id: None,
                    scope: Some("metrics".into()),
                }],
            },
            development_keys: None,
        };
        let mut settings = AppSettings {
            request_timeout: Duration::from_millis(500),
            upload_timeout: Duration::from_secs(5),
            max_upload_bytes: 100_000,
            max_body_bytes: MAX_BODY_BYTES,
            max_header_bytes: 8_192,
            requests_per_second: None,
            burst: NonZeroU32::MIN,
            concurrent_requests_per_caller: 100,
            concurrent_requests_per_client: 100,
            max_bytes_in_flight: 1 << 30,
            origins: Vec::new(),
            proxies: Vec::new(),
            sample_hits: 1,
            has_traces: false,
            has_metrics: true,
        };
        change(&mut parts, &mut settings);
        Self { app: App::new(parts, settings), database }
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(&self, request: TestRequest) -> TestResponse {
        let TestRequest { method, path, token, headers, body } = request;
        let mut builder = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            builder = builder.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let request = builder.body(Body::from(body)).unwrap();
        let response = self.app.handle(PEER, request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
        TestResponse { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

fn context(database: &MemoryDatabase, run: Run) -> Context {
    let (database, store) = (Arc::new(database.clone()), database.clone());
    let adapters = Adapters {
        catalog: Arc::clone(&database) as _,
        changes: Arc::clone(&database) as _,
        is_shared: false,
        store: Box::new(|_| Arc::new(store)),
        policies: Arc::new(DenyOne),
        audit: Arc::clone(&database) as _,
        runner: Arc::new(FakeRunner(run)),
        schema: database,
        generators: Arc::new([]),
        writer: Arc::new(JsonAnswers),
        clock: Arc::new(FixedTime),
        ids: Arc::new(CountingIds::default()),
    };
    let answers = AnswerCacheSettings {
        ttl: Duration::from_mins(1),
        max_stale: Duration::ZERO,
        max_bytes: 1 << 20,
    };
    let settings = ContextSettings {
        admission: Admission::new(Arc::default(), f64::INFINITY, 0.0),
        answers,
        max_definition_bytes: 1 << 20,
        generation_time: Duration::from_secs(1),
        approval: Approval::NotNeeded,
        claims: Arc::default(),
        max_rows: 100,
        zones: Zones::default(),
    };
    Context::new(adapters, settings)
}

/// A request of the caller `ann`, unless it says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct TestRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    token: Option<&'static str>,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

impl TestRequest {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method, path: path.into(), token: Some("ann"), headers, body }
    }

    pub(crate) fn without_token(self) -> Self {
        Self { token: None, ..self }
    }

    pub(crate) fn with_token(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self.header(header::CONTENT_TYPE, content_type) }
    }
}

pub(crate) fn get(path: impl Into<String>) -> TestRequest {
    TestRequest::new(Method::GET, path)
}

pub(crate) fn post(path: impl Into<String>) -> TestRequest {
    TestRequest::new(Method::POST, path)
}

pub(crate) fn put(path: impl Into<String>) -> TestRequest {
    TestRequest::new(Method::PUT, path)
}

pub(crate) fn patch(path: impl Into<String>) -> TestRequest {
    TestRequest::new(Method::PATCH, path)
}

pub(crate) fn delete(path: impl Into<String>) -> TestRequest {
    TestRequest::new(Method::DELETE, path)
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl TestResponse {
    /// The value of a header; empty where there is none.
    pub(crate) fn header(&self, name: impl AsRef<str>) -> &str {
        self.headers.get(name.as_ref()).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// The validation errors of a problem: each with its location and type.
    pub(crate) fn errors(&self) -> Vec<String> {
        assert_eq!(self.status, 422, "{}", self.text());
        let body = self.json();
        let errors = body["errors"].as_array().expect("a 422 lists its errors");
        let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        errors
            .iter()
            .map(|error| {
                let loc: Vec<_> = error["loc"].as_array().unwrap().iter().map(step).collect();
                format!("{}: {}", loc.join("."), error["type"].as_str().unwrap())
            })
            .collect()
    }
}

/// Asserts that a request is refused without a token: 401 and a challenge.
pub(crate) async fn assert_needs_token(operation: &str, request: TestRequest) {
    let app = TestApp::new();
    let path = request.path.split('?').next().unwrap();
    assert_eq!(app.app.operation(&request.method, path), operation);
    let response = app.send(request.without_token()).await;
    assert_eq!(response.status, 401);
    assert_eq!(response.header(header::WWW_AUTHENTICATE), "Bearer");
    assert_eq!(response.header(header::CONTENT_TYPE), "application/problem+json");
}

/// Asserts that a request is refused without permission: 403, with the denial audited and nothing written.
pub(crate) async fn assert_needs_permission(operation: &str, request: TestRequest) {
    let app = TestApp::new();
    let path = request.path.split('?').next().unwrap();
    assert_eq!(app.app.operation(&request.method, path), operation);
    let response = app.send(request.with_token(DENIED)).await;
    assert_eq!(response.status, 403, "{}", response.text());
    assert_eq!(response.header(header::CONTENT_TYPE), "application/problem+json");
    assert_eq!(app.database.denials(), 1);
    assert_eq!(app.database.writes(), 0);
}

/// Tests that a closed route needs a token and permission: for each handler, with a request that is valid
/// otherwise. `OPERATION` is compared with the OpenAPI document, so that no route is without these tests.
macro_rules! auth_tests {
    ($operation:literal, $request:expr) => {
        pub(crate) const OPERATION: &str = $operation;

        #[tokio::test]
        async fn is_refused_without_a_token() {
            $crate::test_support::assert_needs_token(OPERATION, $request).await;
        }

        #[tokio::test]
        async fn is_refused_without_permission() {
            $crate::test_support::assert_needs_permission(OPERATION, $request).await;
        }
    };
}
pub(crate) use auth_tests;

/// The path of the metric, and what follows it.
pub(crate) fn metric(rest: &str) -> String {
    format!("/metrics/{METRIC}{rest}")
}

/// Asserts that an id is a UUID.
pub(crate) fn assert_uuid(id: &Value) {
    Uuid::parse_str(id.as_str().unwrap()).unwrap();
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::routes::{audit, layouts, metrics, query, records, tables, versions};

    #[test]
    fn every_closed_route_has_auth_tests() {
        let tested = BTreeSet::from([
            audit::list::tests::OPERATION,
            layouts::replace::tests::OPERATION,
            metrics::approve::tests::OPERATION,
            metrics::create::tests::OPERATION,
            metrics::delete::tests::OPERATION,
            metrics::get::tests::OPERATION,
            metrics::list::tests::OPERATION,
            metrics::preview::tests::OPERATION,
            metrics::rollback::tests::OPERATION,
            metrics::update::tests::OPERATION,
            query::get::tests::OPERATION,
            records::create::tests::OPERATION,
            tables::changed::tests::OPERATION,
            tables::list::tests::OPERATION,
            versions::list::tests::OPERATION,
        ]);
        let document = serde_json::to_value(crate::openapi::document()).unwrap();
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|item| item.as_object().unwrap().values());
        let closed: BTreeSet<_> = operations
            .filter(|operation| !operation["security"].as_array().unwrap().is_empty())
            .map(|operation| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(tested, closed);
    }
}
