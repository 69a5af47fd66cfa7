//! `segmenter verify`: checks rows, states and the output topic. Reads only.

use std::io::Write;

use anyhow::Context as _;
use clap::Args;

use super::database::{self, Access};
use super::follow_up::{ExamplesArgs, Without, again};
use super::progress::Bar;
use super::serve;
use super::table::print;
use crate::checks::verify::report::Findings;
use crate::checks::verify::topic::Comparison;
use crate::checks::verify::{self, Depth, Place, Progress, Run, Verified};
use crate::config::{CatalogConfig, Config, DatabaseConfig};
use crate::runtime::exit::Exit;
use crate::runtime::stop::Stop;

/// Check rows, states and, with --topic, segment-changed.
///
/// Safe beside the live service: it only reads, page by page, in short statements. A user whose change is still in the
/// outbox is in flight, not a finding. While events arrive, the counts of different tables may differ by those events.
///
/// Cost: counts of users and states by key, and one pass by key over each of profile_states, user_vectors and travel_onboarding_profiles.
/// --deep also transfers and scores every checked user. Progress is shown on standard error. A run that is interrupted
/// reports its findings so far, and the command that checks the rest.
///
/// Exit codes: 0 no findings; 1 failure; 2 usage; 3 the schema is not migrated, or the topic does not exist; 4
/// findings; 75 the database or Kafka is unavailable; 130 interrupted: the report has the command for the rest.
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
    /// Check only the rest of an interrupted run; its report names the place.
    ///
    /// The counts are those of the rest. A comparison with the topic that is not finished cannot go on: it begins anew.
    #[arg(long, value_name = "TABLE:USER", conflicts_with = "topic")]
    after: Option<Place>,
    #[command(flatten)]
    examples: ExamplesArgs,
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
    let stop = Stop::default();
    serve::stop_on_signals(stop.clone())?;
    let compares_topic = matches!(scope, Scope::Topic(_));
    let topic = match scope {
        Scope::Topic(config) => Some(Comparison::read(config, stop.clone()).await?),
        Scope::Database(..) => None,
    };
    let source = Verified { pool: &database.pool, schema: &database.schema, has_users: database.platform.has_users };
    let mut bar = Bar::new("verify", false);
    let mut show = |Progress { walk, passed, expected }: Progress| {
        let expected = expected.max(passed);
        bar.show(passed, expected, format!("{walk}: {passed} of about {expected}"));
    };
    let mut run = Run::new(Findings::listing(args.examples.limit), args.after.clone(), &stop, &mut show);
    let verified = verify::verify(&source, &catalog, args.deep, topic, &mut run).await;
    let Run { counts, findings, place, .. } = run;
    bar.end();
    let is_lost = compares_topic && counts.topic.is_none();
    let next = verified.as_ref().err().map(|_| rest((!is_lost).then_some(&place)));
    let report = findings.into_report(counts, next);
    print(&report, args.json, out)?;
    verified.context("could not verify")?;
    Ok(if report.ok { Exit::Ok } else { Exit::Findings })
}

/// The command that checks the rest: from `place`, or everything again where that is not possible.
fn rest(place: Option<&Place>) -> String {
    match place {
        Some(place) => again(&[Without::Flag("--topic"), Without::Option("--after")], &["--after", &place.to_string()]),
        None => again(&[], &[]),
    }
}
