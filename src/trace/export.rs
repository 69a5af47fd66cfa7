//! From spans to the collector: a bounded queue, a thread that sends, and a count of what became of each span.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};
use tracing::{info, warn};

use super::client::Client;
use super::variables::{self, variable};
use crate::metrics::{Metrics, SpanFate};

/// What makes spans and sends them, configured by the standard variables; `None` where they do not ask for it.
///
/// # Errors
/// [`Unusable`](super::Unusable) where a variable asks for what is not there.
pub(super) fn provider(metrics: &Metrics) -> anyhow::Result<Option<SdkTracerProvider>> {
    let Some(asked) = variables::read()? else { return Ok(None) };
    let client = Client::new(&asked)?;
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(asked.timeout)
        .with_http_client(client.clone())
        .build()?;
    let room = asked.room;
    let waiting = Arc::new(AtomicUsize::new(0));
    let counting = Counting {
        exporter,
        client,
        waiting: Arc::clone(&waiting),
        failing: AtomicBool::new(false),
        metrics: metrics.clone(),
    };
    let config = BatchConfigBuilder::default().with_max_queue_size(room).build();
    let batches = BatchSpanProcessor::builder(counting).with_batch_config(config).build();
    let bounded = Bounded { batches, waiting, room, metrics: metrics.clone() };
    info!(room, "traces are sent to the collector of OTEL_EXPORTER_OTLP_ENDPOINT");
    Ok(Some(SdkTracerProvider::builder().with_resource(resource()).with_span_processor(bounded).build()))
}

/// Who we are to the collector; the standard variables win.
fn resource() -> Resource {
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { builder } else { builder.with_service_name("segmenter") }.build()
}

/// Counts the spans that wait and drops those for which there is no room, so that each is counted once.
#[derive(Debug)]
struct Bounded {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    room: usize,
    metrics: Metrics,
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        let one_more = |waiting: usize| (waiting < self.room).then_some(waiting + 1);
        match self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more) {
            Ok(_) => self.batches.on_end(span),
            Err(_) => self.metrics.spans(SpanFate::Dropped, 1),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends, and says once when that begins to fail and once when it works again.
#[derive(Debug)]
struct Counting {
    exporter: OtlpExporter,
    client: Client,
    waiting: Arc<AtomicUsize>,
    failing: AtomicBool,
    metrics: Metrics,
}

impl SpanExporter for Counting {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        let sent = self.exporter.export(batch).await;
        let fate = if sent.is_ok() { SpanFate::Exported } else { SpanFate::Failed };
        self.metrics.spans(fate, count as u64);
        let had_failed = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !had_failed => {
                let reason = self.client.take_failure().unwrap_or_else(|| error.to_string());
                warn!(reason, "the collector does not take traces; they are lost meanwhile");
            }
            Ok(()) if had_failed => info!("the collector takes traces again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
