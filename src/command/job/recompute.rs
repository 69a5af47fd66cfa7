//! `segmenter recompute`: stored profiles scored anew.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::user_list::{self, Unusable};
use super::{RunArgs, begin, unusable};
use crate::command::database;
use crate::config::Config;
use crate::event::UserId;
use crate::exit::Exit;
use crate::jobs::spec::{Emit, RecomputeUsers, Spec, What};

/// Score stored profiles with the configured catalog. Without --execute it only says who would move from where to where.
///
/// By default only users who were scored with another version of the catalog. No event is needed and no register changes;
/// times stay those of the profiles. What changes is written quietly and said once at the end, with trigger RECOMPUTE.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused: a user was scored with a newer catalog than the configured one,
/// or the job that is resumed was begun with another one; 75 Kafka or PostgreSQL is away; 130 interrupted. After 75 and 130 `segmenter job resume ID` goes on from there.
#[derive(Debug, Args)]
pub struct RecomputeArgs {
    /// Only users whose primary segment is this.
    #[arg(long, value_name = "SEGMENT", group = "which")]
    segment: Option<String>,
    /// Only the users in this file, an id a line.
    #[arg(long, value_name = "FILE", group = "which")]
    users_file: Option<PathBuf>,
    /// All users who have a stored profile.
    #[arg(long, group = "which")]
    all: bool,
    /// Users whose row is missing or is not what the stored profile gives: after a revert and a new migration, or where
    /// somebody else wrote the row.
    #[arg(long, group = "which")]
    repair: bool,
    /// What the end says: the net change of each user, or nothing, which leaves that to `segmenter republish`.
    #[arg(long, value_enum, default_value_t = Emit::Changed)]
    emit: Emit,
    #[command(flatten)]
    run: RunArgs,
}

impl RecomputeArgs {
    fn which(&self) -> Result<(RecomputeUsers, Vec<UserId>), Unusable> {
        if let Some(file) = &self.users_file {
            return Ok((RecomputeUsers::Listed, user_list::read(file)?));
        }
        let which = match (&self.segment, self.all, self.repair) {
            (Some(segment), ..) => RecomputeUsers::Segment(segment.clone()),
            (None, true, _) => RecomputeUsers::All,
            (None, _, true) => RecomputeUsers::Repair,
            (None, false, false) => RecomputeUsers::Stale,
        };
        Ok((which, Vec::new()))
    }
}

/// Counts, and with --execute works.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub async fn run(args: &RecomputeArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    database::ended(recompute(args, config, out).await)
}

async fn recompute(args: &RecomputeArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let opened = match begin::open_or_resume(config, &args.run, out).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let (which, users) = match args.which() {
        Ok(chosen) => chosen,
        Err(list) => return unusable(&list),
    };
    let what = What::Recompute { which, catalog_version: opened.means.store.catalog.version() };
    let expected = super::expected(&opened, &what, &users).await?;
    begin::begin(&opened, &Spec { emit: args.emit, expected, what }, users, &args.run, out).await
}
