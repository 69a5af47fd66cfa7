//! `segmenter verify`: whether rows, states and the output topic are as they should be. Reads only.

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

/// Check segments, states and, if asked to, segment-changed.
///
/// Reads only, in short statements, page by page, beside the live service. A user whose change is still in the outbox is
/// in flight, not a finding. While changes come in, counts of different tables may differ by what came in meanwhile.
///
/// It costs one pass by key over each of profile_states, user_vectors and travel_onboarding_profiles, and counts of users
/// and states from their indexes. --deep also transfers and scores every user it looks at.
///
/// Exit codes: 0 nothing found; 1 failure; 2 usage; 3 the schema is not migrated, or the topic does not exist; 4 there are
/// findings; 75 the database or Kafka is unavailable.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Also compare the last record of each user on segment-changed with the change published last.
    ///
    /// Reads the whole topic, from its beginning to its end at the call, without joining the group. Compares revisions,
    /// not scores or times. Takes about 150 bytes of memory a user.
    #[arg(long)]
    topic: bool,
    /// Also score the stored profiles with the configured catalog and compare the rows.
    ///
    /// About so many users, chosen at random at each run, or all of them. Users scored with another catalog version are
    /// left out; they are findings of their own. Vectors that others learned are not compared.
    #[arg(long, value_name = "USERS|all", num_args = 0..=1, default_missing_value = "10000")]
    deep: Option<Depth>,
    /// How many findings of a kind are listed. All are counted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    list: usize,
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
}

impl VerifyArgs {
    /// Whether the configuration has to name the brokers.
    pub fn needs_kafka(&self) -> bool {
        self.topic
    }
}

/// What is to be looked at.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'c> {
    Database(&'c DatabaseConfig, &'c CatalogConfig),
    /// With segment-changed.
    Topic(&'c Config),
}

/// Looks, and writes the report to `out`.
///
/// # Errors
/// The catalog cannot be read, the database or a topic refuses us, or `out` cannot be written to.
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
