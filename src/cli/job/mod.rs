//! The commands that start, watch and control jobs.

mod findings;
mod manage;
mod progress;
mod report;
mod run;
mod start;

use clap::Args;
use uuid::Uuid;

use super::database::{self, Access};
use super::follow_up::ExamplesArgs;
use super::{serve, settings};
use crate::config::Config;
use crate::jobs::Means;
use crate::jobs::throttle::Throttle;
use crate::registry::decoder::Decoder;
use crate::runtime::stop::Stop;

pub use manage::{JobCommand, run as manage};
pub(super) use run::{begin, resume_begun};
pub use start::{StartJob, run as start};

/// The limits of a job. All may change while it runs.
#[derive(Debug, Clone, Copy, Args)]
struct ThrottleArgs {
    /// Maximum records, rows or users per second.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Wait while the live group's lag is larger.
    #[arg(long, value_name = "RECORDS")]
    max_live_lag: Option<u64>,
    /// Wait while the outbox holds more rows.
    #[arg(long, value_name = "ROWS")]
    max_outbox: Option<u64>,
    /// Wait while a small write takes longer.
    #[arg(long, value_name = "MS")]
    max_db_latency: Option<u64>,
}

/// The form of a job's report.
#[derive(Debug, Clone, Copy, Args)]
struct ReportArgs {
    #[command(flatten)]
    examples: ExamplesArgs,
    /// Write JSON, one object per line.
    #[arg(long)]
    json: bool,
}

impl ThrottleArgs {
    fn throttle(&self) -> Throttle {
        Throttle {
            rate: self.rate,
            max_live_lag: self.max_live_lag,
            max_outbox: self.max_outbox,
            max_db_latency_ms: self.max_db_latency,
        }
    }
}

/// The options of every kind of job.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// Run the job; without this, nothing is written.
    #[arg(long)]
    pub execute: bool,
    /// The job's id; an existing job is resumed.
    ///
    /// A process that is restarted with the same id continues its job. A job with other arguments is refused.
    #[arg(long, value_name = "UUID", requires = "execute")]
    id: Option<Uuid>,
    #[command(flatten)]
    limits: ThrottleArgs,
    /// Write JSON, one object per line.
    #[arg(long)]
    pub json: bool,
}

impl JobArgs {
    pub fn throttle(&self) -> Throttle {
        self.limits.throttle()
    }

    fn report(&self, examples: ExamplesArgs) -> ReportArgs {
        ReportArgs { examples, json: self.json }
    }
}

/// Opens the database for a job, read only unless `execute`, and listens for signals to stop.
pub(super) async fn open(config: &Config, execute: bool) -> anyhow::Result<Means> {
    let at_once = config.database.connections;
    let database =
        database::open_for(&config.database, at_once, if execute { Access::Write } else { Access::Read }).await?;
    let stop = Stop::default();
    serve::stop_on_signals(stop.clone())?;
    let output = settings::output(config)?;
    let registry = output.registry.clone();
    Ok(Means {
        store: database.store(config)?,
        output,
        live_group: config.kafka.group_id.as_str().to_owned(),
        operator: settings::operator(&config.jobs),
        decoder: Decoder { registry, limits: config.limits.of_a_record(), stop: stop.clone() },
        at_once: at_once as usize,
        stop,
    })
}
