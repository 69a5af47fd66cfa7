//! `segmenter verify`: checks rows, states and the output topic. Reads only.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;

use super::database::{self, Access};
use super::table::print;
use crate::checks::verify::report::Findings;
use crate::checks::verify::topic::Comparison;
use crate::checks::verify::{self, Depth, Verified};
use crate::config::{CatalogConfig, Config, DatabaseConfig};
use crate::runtime::exit::Exit;

/// Check rows, states and, with --topic, segment-changed.
///
/// Safe beside the live service: it only reads, page by page, in short statements. A user whose change is still in the
/// outbox is in flight, not a finding. While events arrive, the counts of different tables may differ by those events.
///
/// Cost: one pass by key over each of profile_states, user_vectors and travel_onboarding_profiles, and counts of users
/// and states from their indexes. --deep also transfers and scores every checked user.
///
/// Exit codes: 0 no findings; 1 failure; 2 usage; 3 the schema is not migrated, or the topic does not exist; 4
/// findings; 75 the database or Kafka is unavailable.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Also compare each user's last record on segment-changed with the state.
    ///
    /// Reads the whole topic, up to its end at the start, without joining the group. Compares the revision with that of
    /// the last published change, not scores or times. Memory: about 200 bytes per user.
    #[arg(long)]
    topic: bool,
    /// Also score stored profiles with the configured catalog and compare the rows.
    ///
    /// About this many users, chosen at random at each run, or all. Users that were scored with another catalog version
    /// are omitted; they are findings of their own. Learned vectors are not compared.
    #[arg(long, value_name = "USERS|all", num_args = 0..=1, default_missing_value = "10000")]
    deep: Option<Depth>,
    /// Maximum number of findings listed of each kind; all are counted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    list: usize,
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    /// Whether the configuration must name the brokers.
    pub fn needs_kafka(&self) -> bool {
        self.topic
    }
}

/// The scope of a verification.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'c> {
    Database(&'c DatabaseConfig, &'c CatalogConfig),
    /// With segment-changed.
    Topic(&'c Config),
}

/// Verifies, and writes the report to `out`.
///
/// # Errors
/// The catalog cannot be read, the database or a topic cannot be read, or `out` cannot be written to.
pub async fn run(args: &VerifyArgs, scope: Scope<'_>, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (database, catalog) = match scope {
        Scope::Database(database, catalog) => (database, catalog),
        Scope::Topic(config) => (&config.database, &config.catalog),
    };
    let catalog = super::settings::catalog(catalog)?;
    let database = database::open(database, Access::Read).await?;
    let mut findings = Findings::listing(args.list);
    let topic = match scope {
        Scope::Topic(config) => Some(Comparison::read(config).await?),
        Scope::Database(..) => None,
    };
    let source = Verified { pool: &database.pool, schema: &database.schema, has_users: database.platform.has_users };
    let counts =
        verify::verify(&source, &catalog, args.deep, topic, &mut findings).await.context("could not verify")?;
    let report = findings.into_report(counts);
    print(&report, args.json, out)?;
    Ok(if report.ok { Exit::Ok } else { Exit::Findings })
}
