//! `segmenter backfill`: users who onboarded before the service did.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::user_list::{self, Unusable};
use super::{RunArgs, begin, refused, unusable};
use crate::command::database;
use crate::config::Config;
use crate::event::UserId;
use crate::exit::Exit;
use crate::jobs::spec::{BackfillUsers, Emit, Spec, What};
use crate::store::onboarding_profiles;

/// Where users come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackfillSource {
    /// The platform's table travel_onboarding_profiles.
    OnboardingProfiles,
}

/// Fold the platform's onboarding profiles. Without --execute it only says what would become of them.
///
/// Each completed profile is folded like an onboarding event with all its sections, at the time of its last update: a newer
/// event, one that was folded and one that comes later, wins. So it is safe beside the live service, and safe to repeat.
/// Profiles that are not completed are skipped; one with a value that an event may not have is counted as rejected and
/// listed.
///
/// What changes is written quietly and said once at the end, with trigger BACKFILL.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: the table is not there or cannot be read; 4 done, and profiles were
/// rejected; 75 Kafka or PostgreSQL is away;
/// 130 interrupted. After 75 and 130 `segmenter job resume ID` goes on from there.
#[derive(Debug, Args)]
pub struct BackfillArgs {
    /// Where users come from.
    #[arg(long, value_enum)]
    source: BackfillSource,
    /// Only users without a row in user_vectors, or whose row has no segments or no primary segment; this is the default.
    #[arg(long, group = "which")]
    missing_only: bool,
    /// Only users who have a row in user_vectors.
    #[arg(long, group = "which")]
    existing_only: bool,
    /// All profiles.
    #[arg(long, group = "which")]
    all: bool,
    /// Only the users in this file, an id a line.
    #[arg(long, value_name = "FILE", group = "which")]
    users_file: Option<PathBuf>,
    /// What the end says: the net change of each user, or nothing, which leaves that to `segmenter republish`.
    #[arg(long, value_enum, default_value_t = Emit::Changed)]
    emit: Emit,
    #[command(flatten)]
    run: RunArgs,
}

impl BackfillArgs {
    fn which(&self) -> Result<(BackfillUsers, Vec<UserId>), Unusable> {
        if let Some(file) = &self.users_file {
            return Ok((BackfillUsers::Listed, user_list::read(file)?));
        }
        let which = match (self.existing_only, self.all) {
            (true, _) => BackfillUsers::Existing,
            (_, true) => BackfillUsers::All,
            _ => BackfillUsers::Missing,
        };
        Ok((which, Vec::new()))
    }
}

/// Counts, and with --execute works.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub async fn run(args: &BackfillArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    database::ended(backfill(args, config, out).await)
}

async fn backfill(args: &BackfillArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let opened = match begin::open_or_resume(config, &args.run, out).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let unreadable =
        onboarding_profiles::unreadable(&opened.database.pool).await.context("could not look at the table")?;
    if !unreadable.is_empty() {
        return refused(&format!(
            "permission denied, or not there: of travel_onboarding_profiles the columns {}; docs/grants_jobs.sql has the rights",
            unreadable.join(", ")
        ));
    }
    let (which, users) = match args.which() {
        Ok(chosen) => chosen,
        Err(list) => return unusable(&list),
    };
    let what = What::Backfill(which);
    let expected = super::expected(&opened, &what, &users).await?;
    begin::begin(&opened, &Spec { emit: args.emit, expected, what }, users, &args.run, out).await
}
