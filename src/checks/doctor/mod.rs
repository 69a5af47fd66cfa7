//! Checks everything that the configured service needs; each finding names its remedy. Changes nothing.
//!
//! ```text
//! kafka      topics, their settings, and the consumer group
//! database   the server, the schema, rights, and the stored data
//! positions  the starts of the partitions, and losses that are not repaired
//! registry   whether the schema registry answers this process
//! process    this process: the catalog, the limit of open files
//! finding    findings with their remedies, and the report
//! words      numbers, spans of time and lists in a sentence
//! ```
//!
//! A check is a request with a deadline and a pure function that turns the answer into findings. An unavailable
//! dependency is one finding; the others are checked nevertheless.

mod database;
mod finding;
mod kafka;
mod positions;
mod process;
mod registry;
mod words;

pub use finding::Status;

use finding::Findings;
pub(crate) use finding::{DoctorReport, Finding};
pub use words::count;

use crate::config::Config;
use crate::domain::scoring::Catalog;
use crate::kafka::client::{Cluster, Topics};
use crate::registry::Client;
use crate::store::sql::Pool;

/// The setup to check.
#[derive(Debug)]
pub(crate) struct Subject<'a> {
    pub config: &'a Config,
    pub cluster: Cluster,
    pub topics: Topics,
    pub pool: Pool,
    pub registry: Option<Client>,
    /// Database connections of one process.
    pub connections: u32,
    /// The catalog, or the reason why it cannot be loaded.
    pub catalog: anyhow::Result<Catalog>,
}

/// Runs all checks.
///
/// # Errors
/// A client cannot be built from the configuration. A failure of a dependency is a finding.
pub(crate) async fn examine(subject: &Subject<'_>) -> anyhow::Result<DoctorReport> {
    let (of_kafka, of_database) = tokio::try_join!(kafka::check(subject), database::check(subject))?;
    let of_registry = registry::check(subject.registry.as_ref(), &subject.config.registry).await;
    let of_positions = if of_kafka.is_reached() && of_database.is_reached() {
        positions::check(subject, of_kafka.has_problems() || of_database.has_problems()).await
    } else {
        Findings::of("positions")
    };
    Ok(DoctorReport::new([of_kafka, of_database, of_registry, of_positions, process::check(&subject.catalog)]))
}
