//! The settings of each route, looked up once before the router sees a request.
//!
//! The table is built from the OpenAPI document, so that a route cannot be without settings. Must never decide
//! what a request does: that is the router's.

use std::time::Duration;

use axum::http::{HeaderMap, Method};
use utoipa::openapi::{OpenApi, RefOr, path::Operation};

use crate::{
    head_rules::HeadRules,
    http_metrics::{HttpMetrics, OperationMetrics},
    negotiation::RecordFormat,
};

/// What applies to the requests of one operation.
#[derive(Debug, Clone)]
pub(crate) struct RouteSettings {
    /// Its name in the OpenAPI document and in the log.
    pub(crate) operation: String,
    timeout: Duration,
    /// The time limit of a body of many records, where the operation accepts one.
    upload_timeout: Option<Duration>,
    /// What the head of a request may say; anything on an open route.
    pub(crate) head_rules: Option<HeadRules>,
    /// What is counted of them.
    pub(crate) metrics: OperationMetrics,
}

/// The limits that the settings of all routes are made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteLimits {
    /// The time limit of a request.
    pub(crate) timeout: Duration,
    /// The time limit of a request with many records in its body.
    pub(crate) upload_timeout: Duration,
}

/// The settings of every route, by path and method.
pub(crate) struct RouteTable {
    paths: matchit::Router<Vec<(Method, RouteSettings)>>,
    not_found: RouteSettings,
    method_not_allowed: RouteSettings,
}

/// The routes that the document does not name.
const UNDOCUMENTED: [(&str, &str); 5] = [
    ("/", "get_root"),
    ("/openapi.json", "get_openapi"),
    ("/docs", "get_docs"),
    ("/docs/", "get_docs"),
    ("/docs/{*rest}", "get_docs"),
];

impl RouteSettings {
    fn new(operation: &str, limits: RouteLimits, metrics: &HttpMetrics) -> Self {
        Self {
            operation: operation.to_owned(),
            timeout: limits.timeout,
            upload_timeout: None,
            head_rules: None,
            metrics: metrics.of_operation(operation),
        }
    }

    fn of(operation: &Operation, limits: RouteLimits, metrics: &HttpMetrics) -> Option<Self> {
        let takes_uploads = match &operation.request_body {
            Some(RefOr::T(body)) => body
                .content
                .keys()
                .any(|media_type| RecordFormat::from_media_type(media_type).is_some()),
            _ => false,
        };
        let is_closed = operation.security.as_ref().is_some_and(|needed| !needed.is_empty());
        Some(Self {
            upload_timeout: takes_uploads.then_some(limits.upload_timeout),
            head_rules: is_closed.then(|| HeadRules::of(operation)),
            ..Self::new(operation.operation_id.as_deref()?, limits, metrics)
        })
    }

    /// Returns the time limit of a request with these headers.
    pub(crate) fn timeout(&self, headers: &HeaderMap) -> Duration {
        match self.upload_timeout {
            Some(timeout) if RecordFormat::of_body(headers).is_some() => timeout,
            _ => self.timeout,
        }
    }
}

impl RouteTable {
    /// Builds the table of the routes that `document` describes, and of the few beside it.
    pub(crate) fn new(document: &OpenApi, limits: RouteLimits, metrics: &HttpMetrics) -> Self {
        let documented = document.paths.paths.iter().map(|(path, item)| {
            let methods = [
                (Method::GET, &item.get),
                (Method::POST, &item.post),
                (Method::PUT, &item.put),
                (Method::PATCH, &item.patch),
                (Method::DELETE, &item.delete),
            ];
            let settings = methods.into_iter().filter_map(|(method, operation)| {
                Some((method, RouteSettings::of(operation.as_ref()?, limits, metrics)?))
            });
            (path.as_str(), settings.collect())
        });
        let others = UNDOCUMENTED.map(|(path, operation)| {
            (path, vec![(Method::GET, RouteSettings::new(operation, limits, metrics))])
        });
        let mut paths = matchit::Router::new();
        for (path, settings) in documented.chain(others) {
            paths.insert(path, settings).expect("axum accepts the same paths");
        }
        Self {
            paths,
            not_found: RouteSettings::new("not_found", limits, metrics),
            method_not_allowed: RouteSettings::new("method_not_allowed", limits, metrics),
        }
    }

    /// Returns the settings of the route that a request is for.
    pub(crate) fn find(&self, method: &Method, path: &str) -> &RouteSettings {
        let Ok(route) = self.paths.at(path) else {
            return &self.not_found;
        };
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let settings = route.value.iter().find(|(known, _)| known == method);
        settings.map_or(&self.method_not_allowed, |(_, settings)| settings)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;
    use crate::router::documented;

    const LIMITS: RouteLimits =
        RouteLimits { timeout: Duration::from_secs(1), upload_timeout: Duration::from_secs(2) };

    #[test]
    fn a_request_is_named_as_the_document_names_it() {
        let table = RouteTable::new(&documented().document, LIMITS, &HttpMetrics::default());
        for (method, path, name) in [
            (Method::GET, "/metrics", "list_metrics"),
            (Method::HEAD, "/metrics/some-id", "get_metrics"),
            (Method::POST, "/metrics/some-id/metric-records", "create_metric_record"),
            (Method::PUT, "/metrics", "method_not_allowed"),
            (Method::GET, "/docs/index.html", "get_docs"),
            (Method::GET, "/", "get_root"),
            (Method::GET, "/nothing", "not_found"),
        ] {
            assert_eq!(table.find(&method, path).operation, name, "{method} {path}");
        }
    }

    #[test]
    fn only_a_route_that_takes_uploads_gives_them_their_time() {
        let table = RouteTable::new(&documented().document, LIMITS, &HttpMetrics::default());
        let csv =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"))]);
        for (method, path, headers, seconds) in [
            (Method::POST, "/metrics/some-id/metric-records", &csv, 2),
            (Method::POST, "/metrics/some-id/metric-records", &HeaderMap::new(), 1),
            (Method::POST, "/metrics", &csv, 1),
            (Method::POST, "/nothing/metric-records", &csv, 1),
        ] {
            let timeout = table.find(&method, path).timeout(headers);
            assert_eq!(timeout, Duration::from_secs(seconds), "{method} {path} {headers:?}");
        }
    }
}
