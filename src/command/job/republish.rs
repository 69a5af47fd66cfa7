//! `segmenter republish`: what was said last, said again.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::user_list::{self, Unusable};
use super::{RunArgs, begin, unusable};
use crate::command::database;
use crate::config::Config;
use crate::event::UserId;
use crate::exit::Exit;
use crate::jobs::spec::{Emit, RepublishUsers, Spec, What};

/// Say the present assignment of users again: for a new recommender, or a topic that was lost. Without --execute it only
/// counts.
///
/// What was said last is said once more, with the same eventId and revision: who has seen it can drop it. Where a job changed
/// a ranking quietly (--emit none) and nothing has said so since, that change is said now, with a new revision. Erased users
/// are said as null again. Users who have gone from the platform are not said.
///
/// Exit codes: 0 done; 1 failure; 2 usage; 3 refused; 75 Kafka or PostgreSQL is away; 130 interrupted. After 75 and 130
/// `segmenter job resume ID` goes on from there.
#[derive(Debug, Args)]
pub struct RepublishArgs {
    /// All users of whom anything was said.
    #[arg(long, group = "which", required_unless_present_any = ["segment", "users_file"])]
    all: bool,
    /// Only users whose primary segment is this.
    #[arg(long, value_name = "SEGMENT", group = "which")]
    segment: Option<String>,
    /// Only the users in this file, an id a line.
    #[arg(long, value_name = "FILE", group = "which")]
    users_file: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
}

impl RepublishArgs {
    fn which(&self) -> Result<(RepublishUsers, Vec<UserId>), Unusable> {
        Ok(match (&self.users_file, &self.segment) {
            (Some(file), _) => (RepublishUsers::Listed, user_list::read(file)?),
            (None, Some(segment)) => (RepublishUsers::Segment(segment.clone()), Vec::new()),
            (None, None) => (RepublishUsers::All, Vec::new()),
        })
    }
}

/// Counts, and with --execute works.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub async fn run(args: &RepublishArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    database::ended(republish(args, config, out).await)
}

async fn republish(args: &RepublishArgs, config: &Config, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    let opened = match begin::open_or_resume(config, &args.run, out).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let (which, users) = match args.which() {
        Ok(chosen) => chosen,
        Err(list) => return unusable(&list),
    };
    let what = What::Republish(which);
    let expected = super::expected(&opened, &what, &users).await?;
    begin::begin(&opened, &Spec { emit: Emit::None, expected, what }, users, &args.run, out).await
}
