//! Runs a job, or its dry run, and shows its progress.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tracing::warn;
use uuid::Uuid;

use super::progress;
use super::report::{DryRun, End, Report};
use crate::cli::table::print;
use crate::domain::sample::Sample;
use crate::jobs::source::Source;
use crate::jobs::spec::Spec;
use crate::jobs::throttle::Throttle;
use crate::jobs::{Means, claim, dry_run, run};
use crate::runtime::exit::Exit;
use crate::store::jobs::{self, JobRecord, Part};
use crate::store::keys::Keys;

/// The deadline of the report of a job that was halted.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// The job with that id, if it exists.
pub(super) async fn find(means: &Means, id: Uuid) -> anyhow::Result<Option<JobRecord>> {
    jobs::find(&means.store.pool, id).await.context("could not read the job")
}

/// Continues a job from its checkpoint and reports its end. Waits for the last owner's lease to expire, unless
/// `take_over`.
pub(super) async fn resume(
    means: &Means,
    record: JobRecord,
    take_over: bool,
    json: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = record.id;
    if record.ended_at.is_none() {
        let record = claim::claim(means, id, take_over).await?;
        let (kind, phase) = (record.kind.clone(), record.phase.as_str());
        let after_interruption = format!("segmenter job resume {id}");
        print(&Report::Job { id, kind, phase, after_interruption }, json, out)?;
        out.flush()?;
        let (sender, shown) = watch::channel(None);
        let showing = progress::show(&record.kind, shown, json);
        let ended = run::run(means, record, &sender).await;
        drop(sender);
        showing.await.context("the progress display panicked")?;
        if let Err(halt) = ended {
            // If the database cannot be read either, only the halt is reported.
            if let Ok(Ok(end)) = tokio::time::timeout(LAST_ANSWER, End::of(means, id)).await {
                print(&Report::End(Box::new(end)), json, out)?;
            }
            return Err(halt.into());
        }
    }
    // The work is done, whether or not it can be reported.
    let end = match End::of(means, id).await {
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

/// Reports the changes that a job would make. `keys` are its users, if it works through users.
pub(super) async fn dry_run(
    means: &Means,
    spec: &Spec,
    parts: &[Part],
    keys: Option<Keys>,
    (throttle, sample): (Throttle, Sample),
    json: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = Uuid::new_v4();
    let sources = Source::open(means, &spec.what, id, parts, keys, sample).await?;
    let (sender, shown) = watch::channel(None);
    let showing = progress::show("dry run", shown, json);
    let forecast = dry_run::run(means, spec, sources, throttle, &sender).await;
    drop(sender);
    showing.await.context("the progress display panicked")?;
    let forecast = DryRun::of(forecast?, sample);
    let exit = if forecast.has_findings() { Exit::Findings } else { Exit::Ok };
    print(&Report::DryRun(forecast), json, out)?;
    Ok(exit)
}
