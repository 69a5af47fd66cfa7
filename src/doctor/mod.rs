//! Looks at everything that the configured service needs, and says what is wrong and what to do. Changes nothing.
//!
//! - `finding`, `words`, `report`: what a check says, and how that is shown
//! - `kafka`, `database`, `process`: each gathers its facts first, by I/O with deadlines; the checks over the facts are
//!   pure
//!
//! A dependency that is away is one finding; the others are looked at all the same.

mod database;
mod finding;
mod kafka;
mod process;
mod report;
mod words;

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;

pub use report::Report;

use crate::config::Config;
use crate::engine::Catalog;
use crate::kafka::client::{Cluster, Topics};
use crate::store::apply;
use finding::Unreachable;

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

/// Looks, and judges.
///
/// # Errors
/// A client cannot be made from the configuration. What is wrong with a dependency is a finding.
pub async fn examine(subject: &Subject<'_>) -> anyhow::Result<Report> {
    let config = subject.config;
    let needs_of_kafka = kafka::Needs {
        group: config.kafka.group_id.as_str().to_owned(),
        start: config.kafka.start,
        out_of_range: config.kafka.out_of_range,
        max_value_bytes: config.limits.max_value_bytes.0 as u64,
        workers: u64::from(config.database.connections),
    };
    let needs_of_database = database::Needs {
        connections: i64::from(subject.connections),
        application_name: config.database.application_name.as_str().to_owned(),
        statement_timeout: config.database.statement_timeout,
        transaction_deadline: apply::transaction_deadline(config.database.statement_timeout),
        max_outbox_rows: i64::from(config.outbox.max_depth),
        catalog_version: subject.catalog.as_ref().ok().map(|catalog| i64::from(catalog.version())),
    };
    // Without the cause: it may repeat the URL, which holds a password.
    let options: PgConnectOptions =
        config.database.url.expose().parse().ok().context("database.url cannot be parsed")?;
    let (of_kafka, of_database) = tokio::join!(
        kafka::gather(&subject.cluster, &subject.topics, &needs_of_kafka),
        database::gather(&options, config.database.connect_timeout, &needs_of_database),
    );
    let of_kafka = of_kafka?;

    let away = matches!(of_kafka, Err(Unreachable::Away(_))) || matches!(of_database, Err(Unreachable::Away(_)));
    let mut findings = kafka::judge(&of_kafka, &needs_of_kafka);
    findings.extend(database::judge(&of_database, &needs_of_database));
    findings.extend(process::judge(&process::gather(&subject.catalog)));
    Ok(Report { findings, away })
}
