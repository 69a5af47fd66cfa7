//! `make demo`: the service with synthetic travellers, without any setup. The shipped code runs between a Kafka broker in this
//! process and a temporary PostgreSQL.
//!
//! ```text
//! script, travellers, random   the input, a function of a seed
//! scratch                      a temporary folder with PostgreSQL in it, removed with the process
//! stage, feed                  starts everything, produces the script, a bounded number of records ahead of the service
//! produce                      `demo produce`: produces the script, and goes on, for a service that runs elsewhere
//! observer                     reads segment-changed and the dead letters
//! report                       the report
//! ```

mod feed;
mod observer;
mod produce;
mod random;
mod report;
mod scratch;
mod script;
mod stage;
mod travellers;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Show the service at work: synthetic travellers, a Kafka broker in this process, a temporary PostgreSQL.
///
/// Needs PostgreSQL's server programs and nothing else; leaves nothing behind. The report goes to standard output,
/// progress to standard error. Exit codes: 0 done; 1 failure; 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "demo")]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// Number of travellers.
    #[arg(long, global = true, value_name = "COUNT", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=50_000))]
    travellers: u64,
    /// The same seed gives the same travellers and events.
    #[arg(long, global = true, default_value_t = 7)]
    seed: u64,
    /// Keep serving after the report, and print all addresses.
    #[arg(long)]
    keep: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Produce the travellers' events for a service that runs elsewhere, until it is stopped.
    ///
    /// Takes the service's variables (KAFKA_BROKERS, DATABASE_URL and so on). Adds the travellers to public.users. The first
    /// round onboards them and changes their profiles; every later one changes profiles.
    Produce(ProduceArgs),
}

#[derive(Debug, Args)]
pub struct ProduceArgs {
    /// Number of records per second.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rate: u16,
    /// End after so many rounds.
    #[arg(long, value_name = "COUNT")]
    rounds: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let exit = match &options.command {
        Some(Command::Produce(args)) => produce::run(&options, args).await?,
        None => stage::run(&options).await?,
    };
    Ok(exit.into())
}
