//! `segmenter demo`: the service at work on synthetic travellers, with nothing to set up.

use std::io::Write;

use clap::Args;

use crate::demo::{self, Options};
use crate::exit::Exit;

/// Show the service at work: synthetic travellers, a Kafka broker in this process, a throw-away PostgreSQL.
///
/// Needs PostgreSQL's server programs and nothing else; leaves nothing behind. The report goes to standard output,
/// progress to standard error. Exit codes: 0 done; 1 failure; 130 interrupted.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many travellers there are.
    #[arg(long, value_name = "COUNT", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(10..=50_000))]
    travellers: u64,
    /// The same seed gives the same travellers and events.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Serve on after the report, and print the addresses of everything.
    #[arg(long)]
    keep: bool,
}

/// Runs the command; the report goes to `out`.
///
/// # Errors
/// As [`demo::run`].
pub async fn run(args: &DemoArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let options = Options { travellers: args.travellers, seed: args.seed, keep: args.keep };
    demo::run(options, out).await
}
