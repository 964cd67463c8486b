//! Traces, sent by OTLP over HTTP.

use anyhow::Context as _;
use opentelemetry::{KeyValue, global, trace::TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};

use crate::config::TracesSettings;

/// What spans are sent through. They are sent from a thread of its own, some at a time.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Sends nothing yet. Must not be called on a thread of the async runtime: the exporter has one of its own.
    pub(super) fn open(settings: &TracesSettings) -> anyhow::Result<Self> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(settings.endpoint.to_string())
            .build()
            .context("the exporter of traces does not start")?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder().with_service_name("metricd").with_attribute(version);
        // A caller who samples its trace has metricd's part of it sampled.
        let sampler = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_resource(resource.build())
            .build();
        // Without `baggage`: what a caller says there of its users is not for the provider of the model.
        global::set_text_map_propagator(TraceContextPropagator::new());
        Ok(Self(provider))
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.0.tracer("metricd")
    }

    /// Sends what is left.
    pub(super) fn close(&self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "The last traces were not sent");
        }
    }
}
