//! `make demo`: the service with synthetic travellers, without any setup. The shipped code runs between a Kafka broker in this
//! process and a temporary PostgreSQL.
//!
//! ```text
//! script, travellers, random   the input, a function of a seed
//! scratch                      a temporary folder with PostgreSQL in it, removed with the process
//! stage, feed                  starts everything, produces the script, a bounded number of records ahead of the service
//! observer                     reads segment-changed and the dead letters
//! report                       the report
//! ```

mod feed;
mod observer;
mod random;
mod report;
mod scratch;
mod script;
mod stage;
mod travellers;

use std::process::ExitCode;

use clap::Parser;

/// Show the service at work: synthetic travellers, a Kafka broker in this process, a temporary PostgreSQL.
///
/// Needs PostgreSQL's server programs and nothing else; leaves nothing behind. The report goes to standard output,
/// progress to standard error. Exit codes: 0 done; 1 failure; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub struct Options {
    /// Number of travellers.
    #[arg(long, value_name = "COUNT", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=50_000))]
    travellers: u64,
    /// The same seed gives the same travellers and events.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Keep serving after the report, and print all addresses.
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    Ok(stage::run(&Options::parse()).await?.into())
}
