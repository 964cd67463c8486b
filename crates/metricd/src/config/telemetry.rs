//! `[telemetry]`: what is told to those who operate the service, beside the log.

use std::net::SocketAddr;

use axum::http::{Uri, uri::PathAndQuery};

use super::{
    declare::settings,
    types::{optional_parsed, parsed},
};

settings! {
    /// What is told to those who operate the service, beside the log ([guide](monitoring.md)).
    pub(crate) struct TelemetrySettings in "telemetry" {
        /// The address and port of a listener for Prometheus, which answers `GET /metrics` without a token.
        metrics_listen: Option<SocketAddr> = optional_parsed("address and port", "none", address);
        /// Where traces are sent to, by OTLP over HTTP; the path is `/v1/traces` unless it is given.
        traces_endpoint: Option<Uri> = optional_parsed("URL", "none: no traces", endpoint);
        /// The part of the traces that begin at metricd that is sent. What a caller has begun is sent if its
        /// `traceparent` says so.
        traces_sample_ratio: f64 = parsed("number from 0 to 1", "1", ratio);
    }
}

/// Where traces are sent to, and which.
#[derive(Debug, Clone)]
pub(crate) struct TracesSettings {
    pub(crate) endpoint: Uri,
    pub(crate) sample_ratio: f64,
}

impl TelemetrySettings {
    /// Where traces are sent to, if anywhere.
    pub(crate) fn traces(&self) -> Option<TracesSettings> {
        let endpoint = self.traces_endpoint.clone()?;
        Some(TracesSettings { endpoint, sample_ratio: self.traces_sample_ratio })
    }
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:9464")
}

fn endpoint(text: &str) -> Result<Uri, &'static str> {
    let fault = "must be a URL such as http://127.0.0.1:4318";
    let mut parts = text.parse::<Uri>().map_err(|_| fault)?.into_parts();
    let is_http =
        parts.scheme.as_ref().is_some_and(|scheme| ["http", "https"].contains(&scheme.as_str()));
    let has_host = parts.authority.as_ref().is_some_and(|host| !host.as_str().contains('@'));
    if !is_http || !has_host {
        return Err(fault);
    }
    if parts.path_and_query.as_ref().is_none_or(|path| path == "/") {
        parts.path_and_query = Some(PathAndQuery::from_static("/v1/traces"));
    }
    Uri::from_parts(parts).map_err(|_| fault)
}

fn ratio(text: &str) -> Result<f64, &'static str> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or("must be a number from 0 to 1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_without_a_path_has_that_of_otlp() {
        for (text, sent_to) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/", "https://collector.example/v1/traces"),
            ("http://collector:4318/otlp/traces", "http://collector:4318/otlp/traces"),
        ] {
            assert_eq!(endpoint(text).unwrap().to_string(), sent_to);
        }
        for text in ["collector:4318", "grpc://collector", "/v1/traces", "http://a:b@host"] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
