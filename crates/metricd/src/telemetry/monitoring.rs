//! What Prometheus collects, and the listener that it collects it from.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{
    extract::Request,
    http::{Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use metricd_application::context::Context;
use metricd_infrastructure::db::{Database, DatabaseMonitor, PoolUsage, QueueUsage};
use metricd_web::{App, ConnectionLimits, ConnectionRefusal, HttpMetrics, WritePace};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, text::encode},
    metrics::{
        MetricType,
        counter::ConstCounter,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::Registry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[cfg(target_os = "linux")]
use super::process::ProcessCollector;

/// The media type of what is answered.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The limits of the listener, which asks for no token.
fn connection_limits() -> ConnectionLimits {
    ConnectionLimits {
        head_timeout: Duration::from_secs(30),
        max_head_bytes: 16 * 1024,
        pace: WritePace { timeout: Duration::from_secs(10), min_bytes_per_second: 16 * 1024 },
        max_connections: 16,
        max_connections_per_client: 16,
        proxies: Vec::new(),
    }
}

/// What Prometheus collects.
pub(crate) struct Monitoring {
    registry: Registry,
    context: Context,
    is_ready: Gauge,
}

impl Monitoring {
    /// Gathers what `app`, `context` and `database` count, and how they are.
    pub(crate) fn new(app: &App, context: Context, database: &Database) -> Self {
        let mut registry = Registry::default();
        #[cfg(target_os = "linux")]
        registry.register_collector(Box::new(ProcessCollector));
        let own = registry.sub_registry_with_prefix("metricd");
        let build = metricd_web::BUILD.unwrap_or_default();
        let build = vec![("version", env!("CARGO_PKG_VERSION")), ("build", build)];
        own.register("build", "Which metricd it is", Info::new(build));
        let is_ready = Gauge::default();
        own.register("ready", "Whether requests should be sent to it", is_ready.clone());
        app.metrics().register(own);
        database.register(own);
        context.answers.register(own);
        context.generation_metrics.register(own);
        own.register_collector(Box::new(Present {
            app: app.clone(),
            context: context.clone(),
            database: database.monitor(),
        }));
        Self { registry, context, is_ready }
    }

    /// Listens on `address`; what is returned answers each client, until `stop` is cancelled.
    pub(crate) async fn listen(
        self,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> anyhow::Result<impl Future<Output = ()> + Send> {
        let listener = TcpListener::bind(address).await;
        let listener =
            listener.with_context(|| format!("cannot listen on {address} for Prometheus"))?;
        tracing::info!(listen = %listener.local_addr()?, "Serving metrics for Prometheus");
        let monitoring = Arc::new(self);
        let handle = move |_, request: Request| {
            let monitoring = Arc::clone(&monitoring);
            async move { monitoring.respond(&request.into_parts().0).await }
        };
        // Its connections are not among those of the API.
        let connections = HttpMetrics::default();
        let stopped = stop.cancelled_owned();
        Ok(metricd_web::serve(listener, handle, connection_limits(), connections, stopped))
    }

    async fn respond(&self, request: &Parts) -> Response {
        if request.extensions.get::<ConnectionRefusal>().is_some() {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        if request.uri.path() != "/metrics" {
            return StatusCode::NOT_FOUND.into_response();
        }
        if ![Method::GET, Method::HEAD].contains(&request.method) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")])
                .into_response();
        }
        ([(header::CONTENT_TYPE, OPEN_METRICS)], self.collected().await).into_response()
    }

    async fn collected(&self) -> String {
        let Self { registry, context, is_ready } = self;
        let is_stopping = context.supervisor.stopping().is_cancelled();
        is_ready.set((!is_stopping && context.catalog.is_reachable().await).into());
        let mut text = String::new();
        // Writing to a text does not fail.
        let _ = encode(&mut text, registry);
        text
    }
}

/// What is read when it is asked for.
struct Present {
    app: App,
    context: Context,
    database: DatabaseMonitor,
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").finish_non_exhaustive()
    }
}

impl Collector for Present {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let help = "Bytes of response bodies that are being sent";
        gauge(encoder, "http_bytes_in_flight", help, self.app.bytes_in_flight())?;
        self.encode_database(encoder)?;
        let answers = &self.context.answers;
        let help = "Bytes that the cache of answers takes";
        gauge(encoder, "cache_bytes", help, answers.size_bytes())?;
        let help = "Bytes that the cache of answers may take";
        gauge(encoder, "cache_max_bytes", help, answers.max_bytes())?;
        gauge(encoder, "cache_entries", "Answers in the cache", answers.entries())?;
        let feed = &self.context.change_feed;
        let help = "Whether cached answers may be served: the log of changes was read a moment ago";
        gauge(encoder, "change_feed_connected", help, feed.is_fresh().into())?;
        if let Some(age) = feed.age() {
            let help = "How long ago the log of changes was read to its end";
            let name = "change_feed_age_seconds";
            let described = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(age.as_secs_f64()).encode(described)?;
        }
        Ok(())
    }
}

impl Present {
    fn encode_database(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let database = self.database.statistics();
        let QueueUsage { free, running, unended, waiting } = database.queue;
        let permits = [("running", running), ("free", free), ("kept_by_unended", unended)];
        let help = "Permits to run queries, by what they are used for";
        let mut described =
            encoder.encode_descriptor("query_permits", help, None, MetricType::Gauge)?;
        for (state, number) in permits {
            let labels = [("state", state)];
            ConstGauge::new(number as u64).encode(described.encode_family(&labels)?)?;
        }
        let help = "Queries that wait for a permit";
        gauge(encoder, "query_queue_length", help, waiting as u64)?;
        let help = "Queries that could not be ended and still run";
        let unended = u64::from(database.unended_queries);
        gauge(encoder, "unended_queries", help, unended)?;
        let help = "Whether queries that could not be ended hold permits";
        gauge(encoder, "degraded", help, (unended > 0).into())?;
        encode_pools(encoder, &database.pools)?;
        if let Some(restarts) = database.engine_restarts {
            let help = "How often the embedded PostgreSQL was started again";
            let described =
                encoder.encode_descriptor("engine_restarts", help, None, MetricType::Counter)?;
            ConstCounter::new(restarts).encode(described)?;
        }
        Ok(())
    }
}

fn encode_pools(encoder: &mut DescriptorEncoder<'_>, pools: &[PoolUsage]) -> fmt::Result {
    let help = "Connections to the database, by pool and state";
    let mut described =
        encoder.encode_descriptor("database_connections", help, None, MetricType::Gauge)?;
    for pool in pools {
        for (state, number) in [("idle", pool.idle), ("in_use", pool.in_use)] {
            let labels = [("pool", pool.pool), ("state", state)];
            ConstGauge::new(number as u64).encode(described.encode_family(&labels)?)?;
        }
    }
    let help = "The most connections to the database, by pool";
    let mut described =
        encoder.encode_descriptor("database_connections_max", help, None, MetricType::Gauge)?;
    for pool in pools {
        let labels = [("pool", pool.pool)];
        ConstGauge::new(pool.max as u64).encode(described.encode_family(&labels)?)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}
