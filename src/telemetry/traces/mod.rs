//! Traces: the way of a record that carries a sampled `traceparent`, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! ```text
//! the producer's span
//!   process onboarding-completed     from the beginning of the record's transaction to its end; linked to
//!     send segment-changed           until the broker has acknowledged      └ write batch, one a transaction
//! ```
//!
//! The record on segment-changed carries the `process` span as its `traceparent`. A record without a sampled one begins no
//! trace, so the producers decide what tracing costs. Spans wait in a bounded queue and are dropped when it is full: a
//! collector that is slow or away holds nobody up. They name topics, offsets and outcomes, never a user.
//!
//! Only with the cargo feature `otlp`, and only where `OTEL_EXPORTER_OTLP_ENDPOINT` is set; otherwise nothing here does
//! anything, and `traceparent` is carried on as it came.

#[cfg(feature = "otlp")]
mod export;
#[cfg(feature = "otlp")]
mod spans;
#[cfg(feature = "otlp")]
mod variables;

#[cfg(not(feature = "otlp"))]
pub use off::{PublishTrace, Traces, WriteTrace};
#[cfg(feature = "otlp")]
pub use spans::{PublishTrace, Traces, WriteTrace};

/// Standard variables that cannot be used; each with the rule that it breaks, and without its value.
#[derive(Debug, thiserror::Error)]
#[error("traces cannot be sent as the environment says:\n  {}", .0.join("\n  "))]
pub struct Unusable(pub Vec<String>);

/// Where a record came from.
#[derive(Debug, Clone, Copy)]
pub struct Coordinates<'p> {
    pub topic: &'p str,
    pub partition: i32,
    pub offset: i64,
}

/// The same without the feature: nothing.
#[cfg(not(feature = "otlp"))]
mod off {
    use std::time::Duration;

    use super::metrics::Metrics;
    use crate::Coordinates;
    use crate::domain::event::{Event, Rejection};
    use crate::domain::profile::Outcome;
    use crate::domain::ranking_change::RankingChange;

    /// No traces.
    #[derive(Debug, Clone, Default)]
    pub struct Traces(());

    /// No trace of a batch.
    #[derive(Debug)]
    pub struct WriteTrace;

    /// No trace of what is published.
    #[derive(Debug)]
    pub struct PublishTrace;

    impl Traces {
        /// # Errors
        /// None; with the feature, what is wrong with its variables.
        pub fn start(_: &Metrics) -> anyhow::Result<Self> {
            Ok(Self(()))
        }

        pub fn write_begins<'p>(&self, _: &mut [Event], _: impl Fn(usize) -> Option<Coordinates<'p>>) -> WriteTrace {
            WriteTrace
        }

        pub fn publish_begins(&self, _: &str, _: &[RankingChange]) -> PublishTrace {
            PublishTrace
        }

        pub fn flush(&self, _: Duration) {}
    }

    impl WriteTrace {
        pub fn end(self, _: &[Result<Outcome, Rejection>]) {}
    }

    impl PublishTrace {
        pub fn end(self, _: impl Fn(usize) -> bool) {}
    }
}
