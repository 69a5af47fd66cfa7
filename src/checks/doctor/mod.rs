//! Looks at everything that the configured service needs, finds what is wrong and what to do. Changes nothing.
//!
//! - `finding`, `words`: what a check finds, and its text
//! - `kafka`, `database`, `process`: the checks, each a question with a deadline, a pure verdict on the answer and a remedy
//!
//! A dependency that is unavailable is one finding; the others are looked at all the same.

mod database;
mod finding;
mod kafka;
mod process;
mod words;

pub use finding::{DoctorReport, Finding, Status};
pub use words::count;

use crate::config::Config;
use crate::domain::scoring::Catalog;
use crate::kafka::client::{Cluster, Topics};

/// What is looked at.
#[derive(Debug)]
pub struct Subject<'a> {
    pub config: &'a Config,
    pub cluster: Cluster,
    pub topics: Topics,
    /// Database connections of one process.
    pub connections: u32,
    /// The catalog, or why it cannot be loaded.
    pub catalog: anyhow::Result<Catalog>,
}

/// Makes all checks.
///
/// # Errors
/// A client cannot be made from the configuration. What is wrong with a dependency is a finding.
pub async fn examine(subject: &Subject<'_>) -> anyhow::Result<DoctorReport> {
    let (of_kafka, of_database) = tokio::try_join!(kafka::check(subject), database::check(subject))?;
    Ok(DoctorReport::new([of_kafka, of_database, process::check(&subject.catalog)]))
}
