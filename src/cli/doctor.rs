//! `segmenter doctor`: checks everything that the service needs, and changes nothing.

use std::io::Write;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

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

/// The deadline of the process on this machine.
const READY: Duration = Duration::from_secs(5);

/// Check topics, group, schema, rights, positions, clocks.
///
/// It changes nothing. Prints a table of checks, each ok, a warning, a problem or unchecked (no answer), with the remedy after an arrow.
/// Run it with the service's own configuration and user. Every check has a deadline: a run takes some seconds, or a
/// minute if a dependency does not answer.
///
/// Exit codes: 0 no problems (warnings are none); 1 failure; 2 wrong configuration; 4 problems; 75 Kafka or PostgreSQL
/// is unavailable.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Write JSON instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Only ask the process on this machine whether it is ready.
    ///
    /// Requests /health/ready at `http.addr` and prints the answer. Exit codes: 0 ready; 75 not ready, or no answer within
    /// five seconds. For the health check of a container, as in docker-compose.yml.
    #[arg(long, conflicts_with = "json")]
    pub ready: bool,
}

/// Runs all checks and prints their findings to `out`.
///
/// # Errors
/// `out` cannot be written to, or a client cannot be made from the configuration.
pub async fn run(args: &DoctorArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    if args.ready {
        return ready(config.http.addr, out).await;
    }
    let subject = Subject {
        config,
        cluster: Cluster::from(&config.kafka),
        topics: Topics::from(&config.topics),
        pool: Pool::new(database::connect(&config.database, 1, Access::Read)),
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

/// Asks the process that listens at `addr`.
async fn ready(mut addr: SocketAddr, out: &mut impl Write) -> anyhow::Result<Exit> {
    match addr {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    // An error means that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().timeout(READY).no_proxy().build()?;
    let answer = match http.get(format!("http://{addr}/health/ready")).send().await {
        Ok(response) => {
            let is_ready = response.status().is_success();
            response.text().await.map(|text| (is_ready, text))
        }
        Err(error) => Err(error),
    };
    match answer {
        Ok((is_ready, text)) => {
            writeln!(out, "{}", text.trim_end())?;
            Ok(if is_ready { Exit::Ok } else { Exit::DependencyUnavailable })
        }
        Err(error) => {
            writeln!(out, "no process answers at {addr}: {error}")?;
            Ok(Exit::DependencyUnavailable)
        }
    }
}

/// A finding in three columns, which fit on a terminal.
#[derive(Serialize)]
struct Row {
    status: Status,
    check: String,
    finding: String,
}
