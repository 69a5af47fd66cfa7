//! `segmenter doctor`: looks at everything that the service needs, and changes nothing.

use std::io::Write;

use clap::Args;
use terminal_size::{Width, terminal_size_of};

use super::{catalog, serve, settings};
use crate::config::Config;
use crate::doctor::{self, Subject};
use crate::exit::Exit;

/// Check topics, group, schema, rights and clocks; change nothing.
///
/// Prints a table of checks, each ok, a warning, a problem or unchecked (nothing could be found out), with what to do.
/// Run it with the service's own configuration and user. Every question has a
/// deadline; in all it takes some seconds, or a minute where something does not answer. Exit codes: 0 no problems (warnings
/// are none); 1 failure; 2 wrong configuration; 4 problems; 75 Kafka or PostgreSQL cannot be reached.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Write JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Where standard output is not a terminal, and the limits where it is: longer lines are hard to read.
const DEFAULT_WIDTH: usize = 80;
const LEAST_WIDTH: usize = 60;
const GREATEST_WIDTH: usize = 110;

/// Runs all checks and prints what they found to `out`.
///
/// # Errors
/// `out` cannot be written to, or a client cannot be made from the configuration.
pub async fn run(args: &DoctorArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let settings = settings::settings(config);
    let subject = Subject {
        config,
        cluster: settings.cluster,
        topics: settings.topics,
        connections: config.database.connections + serve::OTHER_CONNECTIONS,
        catalog: catalog::load(&config.catalog),
    };
    let report = doctor::examine(&subject).await?;
    if args.json {
        writeln!(out, "{:#}", report.to_json())?;
    } else {
        let width = terminal_size_of(std::io::stdout()).map_or(DEFAULT_WIDTH, |(Width(width), _)| usize::from(width));
        report.write_table(width.clamp(LEAST_WIDTH, GREATEST_WIDTH), out)?;
    }
    Ok(report.exit())
}
