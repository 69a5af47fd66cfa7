//! Logs, metrics and traces of the process. They take numbers and labels, never types of the layers above.
//!
//! ```text
//! logs     lines on standard error
//! metrics  counters, gauges and histograms for Prometheus
//! traces   spans for an OpenTelemetry collector
//! ```

pub mod logs;
pub mod metrics;
pub mod traces;

use crate::runtime::health::Health;
use crate::runtime::stop::Stop;
use metrics::Metrics;
use traces::Traces;

/// The handles that all parts of a process share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    pub metrics: Metrics,
    pub health: Health,
    pub stop: Stop,
    pub traces: Traces,
}
