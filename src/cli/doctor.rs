//! `segmenter doctor`: checks everything that the service needs, and changes nothing.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use super::database::{self, Access};
use super::table::print;
use super::{serve, settings};
use crate::checks::doctor::{self, Finding, Status, Subject, count};
use crate::config::Config;
use crate::kafka::client::{Cluster, Topics};
use crate::runtime::exit::Exit;
use crate::store::sql::Pool;

/// Check topics, group, schema, rights, positions, clocks.
///
/// It changes nothing. Prints a table of checks, each ok, a warning, a problem or unchecked (no answer), with the remedy after an arrow.
/// Run it with the service's own configuration and user. Every check has a deadline: a run takes some seconds, or a
/// minute if a dependency does not answer. The first rows show this process's identities, and which rights they have.
///
/// Exit codes: 0 no problems (warnings are none); 1 failure; 2 wrong configuration; 4 problems; 75 Kafka, PostgreSQL or
/// the schema registry is unavailable.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Write JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Runs all checks and prints their findings to `out`.
///
/// # Errors
/// `out` cannot be written to, or a client cannot be made from the configuration.
pub async fn run(args: &DoctorArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let subject = Subject {
        config,
        cluster: Cluster::from(&config.kafka),
        topics: Topics::from(&config.topics),
        pool: Pool::new(database::connect(&config.database, 1, Access::Read)),
        registry: settings::registry(&config.registry)?.map(|registry| registry.client().clone()),
        connections: config.database.connections + serve::OTHER_CONNECTIONS,
        catalog: settings::catalog(&config.catalog),
    };
    let report = doctor::examine(&subject).await?;
    if args.json {
        print(&report, true, out)?;
    } else {
        let row = |finding: &Finding| Row {
            status: finding.status,
            check: format!("{} {}", finding.area, finding.check),
            finding: match &finding.remedy {
                Some(remedy) => format!("{} -> {remedy}", finding.finding),
                None => finding.finding.clone(),
            },
        };
        let rows: Vec<Row> = report.checks.iter().map(row).collect();
        print(&rows, false, out)?;
        let number = |status| rows.iter().filter(|row| row.status == status).count() as u64;
        let warnings = count(number(Status::Warning), "warning", "warnings");
        let problems = count(number(Status::Problem), "problem", "problems");
        let (ok, unchecked) = (number(Status::Ok), number(Status::Unchecked));
        writeln!(out, "\n{ok} ok, {warnings}, {problems}, {unchecked} unchecked")?;
    }
    Ok(report.exit)
}

/// A finding in three columns, which fit on a terminal.
#[derive(Serialize)]
struct Row {
    status: Status,
    check: String,
    finding: String,
}
