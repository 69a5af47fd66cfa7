//! Traces of the records that carry a sampled `traceparent`, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! ```text
//! the producer's span
//!   process onboarding-completed     from the beginning of the record's transaction to its end; linked to
//!     send segment-changed           until the broker has acknowledged      └ write batch, one a transaction
//! ```
//!
//! The record on segment-changed carries the `process` span as its `traceparent`. A record without a sampled `traceparent`
//! starts no trace, so the producers control the cost of tracing. Spans wait in a bounded queue and are dropped when it is
//! full: a slow or unavailable collector delays no record. Spans name topics, offsets and outcomes, never a user.
//!
//! Traces need the cargo feature `otlp` and the variable `OTEL_EXPORTER_OTLP_ENDPOINT`. Without them `traceparent` is
//! carried through unchanged.
//!
//! ```text
//! variables  the standard variables, checked
//! export     from spans to the collector
//! spans      the spans and their attributes
//! ```

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

/// Standard variables that cannot be used, each with the rule that it breaks and without its value.
#[derive(Debug, thiserror::Error)]
#[error("the variables for traces cannot be used:\n  {}", .0.join("\n  "))]
pub struct Unusable(pub Vec<String>);

/// The place of a record in Kafka.
#[derive(Debug, Clone, Copy)]
pub struct Coordinates<'p> {
    pub topic: &'p str,
    pub partition: i32,
    pub offset: i64,
}

/// The same interface without the feature: no effect.
#[cfg(not(feature = "otlp"))]
mod off {
    use std::time::Duration;

    use crate::domain::event::{Event, Rejection};
    use crate::domain::profile::Outcome;
    use crate::domain::ranking_change::RankingChange;
    use crate::telemetry::metrics::Metrics;
    use crate::telemetry::traces::Coordinates;

    /// No traces.
    #[derive(Debug, Clone, Default)]
    pub struct Traces(());

    /// No trace of a batch.
    #[derive(Debug)]
    pub struct WriteTrace;

    /// No trace of publishing.
    #[derive(Debug)]
    pub struct PublishTrace;

    impl Traces {
        /// # Errors
        /// None. With the feature: the variables cannot be used.
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
        pub fn end(self, _: &[Option<Result<Outcome, Rejection>>]) {}
    }

    impl PublishTrace {
        pub fn end(self, _: impl Fn(usize) -> bool) {}
    }
}
