//! From spans to the collector: a bounded queue, a thread that sends, and a counter of each span's outcome.

use std::error::Error;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};
use reqwest::blocking::Client as Http;
use tracing::{info, warn};

use super::variables::{self, Settings, variable};
use crate::telemetry::metrics::{Metrics, SpanOutcome};

/// The provider that makes spans and sends them, configured by the standard variables; `None` where they do not enable it.
///
/// # Errors
/// [`Unusable`](super::Unusable) where a variable cannot be used; the HTTP client cannot be made.
pub(super) fn provider(metrics: &Metrics) -> anyhow::Result<Option<SdkTracerProvider>> {
    let Some(settings) = variables::read()? else { return Ok(None) };
    let client = Client::new(&settings)?;
    let exporter = OtlpExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(settings.timeout)
        .with_http_client(client.clone())
        .build()?;
    let room = settings.room;
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

/// The resource that identifies this process; the standard variables win.
fn resource() -> Resource {
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let builder = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if is_named { builder } else { builder.with_service_name("segmenter") }.build()
}

/// The HTTP client of the exporter. It keeps the reason of a failed request, which the exporter reports as a network error
/// only.
/// Cheap to clone; all clones share the last failure.
#[derive(Debug, Clone)]
struct Client {
    http: Http,
    failure: Arc<Mutex<Option<String>>>,
}

impl Client {
    fn new(settings: &Settings) -> anyhow::Result<Self> {
        // For a collector behind https. An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Http::builder().timeout(settings.timeout);
        if let Some(authorities) = &settings.authorities {
            builder = builder.tls_certs_only(authorities.clone());
        }
        // The blocking client must not be made on a thread of the asynchronous runtime.
        let made = thread::spawn(|| builder.build()).join().map_err(|_| anyhow!("making it panicked"));
        let http = made.and_then(|built| built.map_err(Into::into)).context("no HTTP client for the collector")?;
        Ok(Self { http, failure: Arc::default() })
    }

    /// The reason of the last failed request, once.
    fn take_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

type Sending<'s> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 's>>;

impl HttpClient for Client {
    fn send_bytes<'client, 'sending>(&'client self, request: Request<Bytes>) -> Sending<'sending>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async move {
            let sent = self.http.send_bytes(request).await;
            if let Err(error) = &sent {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(innermost(&**error));
            }
            sent
        })
    }
}

/// The innermost cause, which is the most specific and contains no address.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// Counts the spans in the queue and drops those that find it full, so that each span is counted once.
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
            Err(_) => self.metrics.spans(SpanOutcome::Dropped, 1),
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

/// Sends spans. Logs once when sending begins to fail, and once when it succeeds again.
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
        let outcome = if sent.is_ok() { SpanOutcome::Exported } else { SpanOutcome::Failed };
        self.metrics.spans(outcome, count as u64);
        let had_failed = self.failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !had_failed => {
                let reason = self.client.take_failure().unwrap_or_else(|| error.to_string());
                warn!(reason, "traces are lost: the collector does not accept them");
            }
            Ok(()) if had_failed => info!("the collector accepts traces again"),
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
