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
