//! Runs a job, or its dry run, and shows its progress.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use super::report::{DryRun, End, Report};
use super::{JobArgs, ReportArgs, progress};
use crate::cli::failure::ends;
use crate::cli::follow_up::ExamplesArgs;
use crate::cli::table::print;
use crate::domain::event::UserId;
use crate::domain::sample::Sample;
use crate::jobs::source::{Chosen, Source};
use crate::jobs::spec::Spec;
use crate::jobs::topic_ahead::Ahead;
use crate::jobs::{Means, claim, dry_run, run};
use crate::runtime::exit::Exit;
use crate::store::jobs::{self, JobRecord, Part};

/// The deadline of the report of a job that was halted.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Resumes the job with the given id, if it exists; returns the exit code of its end. Only with the arguments that it was
/// begun with: `asked`.
///
/// # Errors
/// The id is that of another job; `out` cannot be written to, or the job was halted.
pub(in crate::cli) async fn resume_begun(
    means: &Means,
    args: &JobArgs,
    examples: ExamplesArgs,
    asked: &Value,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Option<Exit>> {
    let Some(id) = args.id else { return Ok(None) };
    let Some(record) = find(means, id).await? else { return Ok(None) };
    refuse_other_job(&record, asked)?;
    resume(means, record, None, false, args.report(examples), out).await.map(Some)
}

fn refuse_other_job(record: &JobRecord, asked: &Value) -> anyhow::Result<()> {
    if record.spec.get("asked") == Some(asked) {
        return Ok(());
    }
    let JobRecord { id, kind, .. } = record;
    let why = format!(
        "the job {id} exists: a {kind} with other arguments, which `segmenter job status {id}` shows; give another --id, \
         or continue that job with `segmenter job resume {id}`"
    );
    Err(ends(Exit::Refused, why))
}

/// Creates a job and runs it. `users` is its list, if it has one; `ahead` are its users if they were just found.
///
/// # Errors
/// The job cannot be created, `out` cannot be written to, or the job was halted.
pub(in crate::cli) async fn begin(
    means: &Means,
    args: &JobArgs,
    examples: ExamplesArgs,
    spec: &Spec,
    parts: Vec<Part>,
    (users, ahead): (&[UserId], Option<Ahead>),
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = args.id.unwrap_or_else(Uuid::new_v4);
    let record = claim::enter(means, id, spec, parts, args.throttle(), users).await?;
    resume(means, record, ahead, false, args.report(examples), out).await
}

/// The job with that id, if it exists.
pub(super) async fn find(means: &Means, id: Uuid) -> anyhow::Result<Option<JobRecord>> {
    jobs::find(&means.store.pool, id).await.context("could not read the job")
}

/// Continues a job from its checkpoint and reports its end. Waits for the last owner's lease to expire, unless
/// `take_over`. `ahead` are its users if they were just found.
pub(super) async fn resume(
    means: &Means,
    record: JobRecord,
    ahead: Option<Ahead>,
    take_over: bool,
    shown_as: ReportArgs,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = record.id;
    let ReportArgs { examples: ExamplesArgs { limit }, json } = shown_as;
    if record.ended_at.is_none() {
        let record = claim::claim(means, id, take_over).await?;
        let (kind, phase) = (record.kind.clone(), record.phase.as_str());
        let after_interruption = format!("segmenter job resume {id}");
        print(&Report::Job { id, kind, phase, after_interruption }, json, out)?;
        out.flush()?;
        let (sender, shown) = watch::channel(None);
        let showing = progress::show(&record.kind, shown, json);
        let ended = run::run(means, record, ahead, &sender).await;
        drop(sender);
        showing.await.context("the progress display panicked")?;
        if let Err(halt) = ended {
            // If the database cannot be read either, only the halt is reported.
            if let Ok(Ok(end)) = tokio::time::timeout(LAST_ANSWER, End::of(means, id, limit)).await {
                print(&Report::End(Box::new(end)), json, out)?;
            }
            return Err(halt.into());
        }
    }
    // The work is done, whether or not it can be reported.
    let end = match End::of(means, id, limit).await {
        Ok(end) => end.with_tables(means).await,
        Err(error) => {
            warn!(job = %id, "the job is done; its report cannot be read: {error:#}");
            return Ok(Exit::Ok);
        }
    };
    let exit = if end.has_findings() { Exit::Findings } else { Exit::Ok };
    print(&Report::End(Box::new(end)), json, out)?;
    Ok(exit)
}

/// Reports the changes that a job would make. `chosen` are its users, if it works through users.
pub(super) async fn dry_run(
    means: &Means,
    spec: &Spec,
    parts: &[Part],
    chosen: Option<Chosen>,
    args: &JobArgs,
    (sample, ExamplesArgs { limit }): (Sample, ExamplesArgs),
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = Uuid::new_v4();
    let sources = Source::open(means, &spec.what, id, parts, chosen, sample).await?;
    let (sender, shown) = watch::channel(None);
    let showing = progress::show("dry run", shown, args.json);
    let forecast = dry_run::run(means, spec, sources, args.throttle(), limit, &sender).await;
    drop(sender);
    showing.await.context("the progress display panicked")?;
    let forecast = DryRun::of(forecast?, spec, sample);
    let exit = if forecast.has_findings() { Exit::Findings } else { Exit::Ok };
    print(&Report::DryRun(forecast), args.json, out)?;
    Ok(exit)
}
