//! Beginning a job: as a dry run, or for good.

use std::io::Write;

use anyhow::Context as _;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Opened, RunArgs, board, claim, forecast, halted};
use crate::command::database::Access;
use crate::config::Config;
use crate::event::UserId;
use crate::exit::Exit;
use crate::jobs::dry_run;
use crate::jobs::source::Source;
use crate::jobs::spec::Spec;
use crate::store::jobs::{Counts, JobRecord, NewPart, Part};
use crate::store::keys::Keys;

/// Opens the database as `args` need it. Where they name a job that is there, that is resumed instead, to its exit code.
///
/// # Errors
/// `out` cannot be written to, or the database refuses us.
pub(super) async fn open_or_resume(
    config: &Config,
    args: &RunArgs,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Result<Opened, Exit>> {
    let access = if args.execute { Access::Write } else { Access::Read };
    let opened = match super::open(config, access).await? {
        Ok(opened) => opened,
        Err(exit) => return Ok(Err(exit)),
    };
    match earlier(&opened, args).await? {
        Some(record) => claim::resume(&opened, record, false, args.json, out).await.map(Err),
        None => Ok(Ok(opened)),
    }
}

/// The job that was begun before under the id that is asked for.
async fn earlier(opened: &Opened, run: &RunArgs) -> anyhow::Result<Option<JobRecord>> {
    match run.id {
        Some(id) => claim::find(opened, id).await,
        None => Ok(None),
    }
}

/// Runs the job, or says what it would do. `users` is the list that it was given, if it was given one.
pub(super) async fn begin(
    opened: &Opened,
    spec: &Spec,
    users: Vec<UserId>,
    run: &RunArgs,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let throttle = run.limits.throttle();
    if run.execute {
        return claim::start(opened, run.id, spec, throttle, users, run.json, out).await;
    }
    let id = Uuid::new_v4();
    let keys = match spec.what.keys(id) {
        Some(Keys::ListOf(_)) => Some(Keys::Given(users.iter().map(ToString::to_string).collect())),
        keys => keys,
    };
    let parts: Vec<Part> = claim::new_parts(spec).into_iter().map(unstarted).collect();
    let source = match Source::open(&opened.means, &spec.what, id, &parts, keys).await {
        Ok(source) => source,
        Err(halt) => return halted(&halt),
    };
    let (sender, shown) = watch::channel(None);
    let board = board::show("dry run", shown, run.json);
    let forecast = dry_run::run(&opened.means, source, &throttle, (spec.expected, run.memory), &sender).await;
    drop(sender);
    board.await.context("the progress display panicked")?;
    match forecast {
        Ok(forecast) => forecast::write(&forecast, run.json, out),
        Err(halt) => halted(&halt),
    }
}

fn unstarted(part: NewPart) -> Part {
    Part { name: part.name, position: part.position, until: part.until, done: false, counts: Counts::default() }
}
