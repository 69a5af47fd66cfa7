//! The spans. Attributes have the names of OpenTelemetry's conventions for messaging
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/kafka/>).

use std::time::Duration;

use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};
use tracing::warn;

use super::{Coordinates, export};
use crate::domain::event::{Event, Rejection};
use crate::domain::profile::Outcome;
use crate::domain::ranking_change::{ChangeBody, RankingChange};
use crate::telemetry::metrics::Metrics;

/// Makes spans; without a configured collector it makes none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Sending>);

#[derive(Debug, Clone)]
struct Sending {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of a batch and those of its records, by their index in the batch. Ended when dropped.
#[derive(Debug, Default)]
pub struct WriteTrace {
    batch: Option<Span>,
    records: Vec<(usize, Span)>,
}

/// The spans of changes that are being published, by their index. Ended when dropped.
#[derive(Debug, Default)]
pub struct PublishTrace(Vec<(usize, Span)>);

impl Traces {
    /// Starts sending where the standard variables enable it.
    ///
    /// # Errors
    /// The variables cannot be used.
    pub fn start(metrics: &Metrics) -> anyhow::Result<Self> {
        let sending = |provider: SdkTracerProvider| Sending { tracer: provider.tracer("segmenter"), provider };
        Ok(Self(export::provider(metrics)?.map(sending)))
    }

    /// Begins the spans of a batch that is about to be written. A traced event's `traceparent` becomes that of its span.
    pub fn write_begins<'p>(
        &self,
        events: &mut [Event],
        place: impl Fn(usize) -> Option<Coordinates<'p>>,
    ) -> WriteTrace {
        let Some(Sending { tracer, .. }) = &self.0 else { return WriteTrace::default() };
        let mut trace = WriteTrace::default();
        let size = events.len();
        for (index, event) in events.iter_mut().enumerate() {
            let Some((parent, place)) = sampled(event.cause.traceparent.as_deref()).zip(place(index)) else { continue };
            let batch = trace.batch.get_or_insert_with(|| batch_span(tracer, size)).span_context().clone();
            let builder = tracer
                .span_builder(format!("process {}", place.topic))
                .with_kind(SpanKind::Consumer)
                .with_links(vec![Link::with_context(batch)])
                .with_attributes([
                    KeyValue::new("messaging.system", "kafka"),
                    KeyValue::new("messaging.operation.type", "process"),
                    KeyValue::new("messaging.destination.name", place.topic.to_owned()),
                    KeyValue::new("messaging.destination.partition.id", place.partition.to_string()),
                    KeyValue::new("messaging.kafka.offset", place.offset),
                ]);
            let span = tracer.build_with_context(builder, &Context::new().with_remote_span_context(parent));
            if span.is_recording() {
                event.cause.traceparent = Some(traceparent(span.span_context()).into());
                trace.records.push((index, span));
            }
        }
        trace
    }

    /// Begins the spans of changes that are about to be published on `topic`.
    pub fn publish_begins(&self, topic: &str, changes: &[RankingChange]) -> PublishTrace {
        let Some(Sending { tracer, .. }) = &self.0 else { return PublishTrace::default() };
        let span = |(index, change): (usize, &RankingChange)| {
            let ChangeBody::Ranking(new) = &change.body else { return None };
            let parent = sampled(new.traceparent.as_deref())?;
            let builder = tracer.span_builder(format!("send {topic}")).with_kind(SpanKind::Producer).with_attributes([
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", topic.to_owned()),
                KeyValue::new("segmenter.revision", change.revision),
            ]);
            Some((index, tracer.build_with_context(builder, &Context::new().with_remote_span_context(parent))))
        };
        PublishTrace(changes.iter().enumerate().filter_map(span).collect())
    }

    /// Sends the spans in the queue and shuts down; blocks for no longer than `within`.
    pub fn flush(&self, within: Duration) {
        if let Some(Sending { provider, .. }) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(within)
        {
            warn!(%error, "not all traces could be sent before the process ended");
        }
    }
}

impl WriteTrace {
    /// Ends the spans of a batch that is committed.
    pub fn end(mut self, outcomes: &[Option<Result<Outcome, Rejection>>]) {
        for (index, span) in &mut self.records {
            let Some(Some(outcome)) = outcomes.get(*index) else { continue };
            span.set_attribute(KeyValue::new(
                "segmenter.outcome",
                outcome.as_ref().map_or("dead_lettered", |outcome| outcome.as_str()),
            ));
            if outcome.is_err() {
                span.set_status(Status::error("dead-lettered"));
            }
        }
    }
}

impl PublishTrace {
    /// Ends the spans. The broker has acknowledged the changes for which `is_published` holds; the others are published again.
    pub fn end(mut self, is_published: impl Fn(usize) -> bool) {
        for (index, span) in &mut self.0 {
            if !is_published(*index) {
                span.set_status(Status::error("not acknowledged; published again later"));
            }
        }
    }
}

fn batch_span(tracer: &SdkTracer, size: usize) -> Span {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let builder = tracer
        .span_builder("write batch")
        .with_kind(SpanKind::Internal)
        .with_attributes([KeyValue::new("messaging.batch.message_count", size)]);
    tracer.build_with_context(builder, &Context::new())
}

/// The context of a well-formed `traceparent`, if it is sampled.
fn sampled(traceparent: Option<&str>) -> Option<SpanContext> {
    let mut parts = traceparent?.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    flags.is_sampled().then(|| SpanContext::new(trace, span, flags, true, TraceState::default()))
}

fn traceparent(context: &SpanContext) -> String {
    format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8())
}
