//! Taking a job up: a new one, or one that was left; and running it with its progress shown.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Opened, board, halted, outcome, refused};
use crate::event::UserId;
use crate::exit::Exit;
use crate::jobs::control::LEASE;
use crate::jobs::run::{self, Ended};
use crate::jobs::saying;
use crate::jobs::spec::{Emit, Spec, What};
use crate::jobs::throttle::Throttle;
use crate::jobs::users;
use crate::store::jobs::{self, JobRecord, NewJob, NewPart};

/// How often to look whether a lease has run out.
const LOOK: Duration = Duration::from_millis(250);

/// The job of that id, if there is one.
pub(super) async fn find(opened: &Opened, id: Uuid) -> anyhow::Result<Option<JobRecord>> {
    jobs::find(&opened.database.pool, id).await.context("could not look for the job")
}

/// The parts that a job starts with: those of its work, and its end.
pub(super) fn new_parts(spec: &Spec) -> Vec<NewPart> {
    let mut parts: Vec<NewPart> = match &spec.what {
        What::Replay(replay) => replay
            .ranges
            .iter()
            .map(|range| NewPart {
                name: range.part(),
                position: range.first.to_string(),
                until: Some(range.end.to_string()),
            })
            .collect(),
        What::Backfill(_) | What::Recompute { .. } | What::Republish(_) => {
            vec![NewPart { name: users::PART.to_owned(), position: String::new(), until: None }]
        }
    };
    if spec.emit == Emit::Changed {
        parts.push(NewPart { name: saying::PART.to_owned(), position: String::new(), until: None });
    }
    parts
}

/// Enters a new job and runs it.
pub(super) async fn start(
    opened: &Opened,
    id: Option<Uuid>,
    spec: &Spec,
    throttle: Throttle,
    users: Vec<UserId>,
    json: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = id.unwrap_or_else(Uuid::new_v4);
    let job = NewJob {
        id,
        kind: spec.what.kind(),
        spec: serde_json::to_value(spec)?,
        throttle: serde_json::to_value(throttle)?,
        parts: new_parts(spec),
        users,
    };
    jobs::create(&opened.database.pool, &job).await.context("could not enter the job")?;
    let record = find(opened, id).await?.context("the job has gone again")?;
    resume(opened, record, false, json, out).await
}

/// Runs a job from where it is: once its last owner's lease has run out, or at once.
pub(super) async fn resume(
    opened: &Opened,
    record: JobRecord,
    take_over: bool,
    json: bool,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    let id = record.id;
    if record.ended_at.is_some() {
        return outcome::write(opened, id, None, json, out).await;
    }
    if !claim(opened, id, take_over).await? {
        return refused(&format!(
            "{} is at the job {id}; it can be resumed elsewhere once that has gone, or now with --take-over",
            record.owner_name.as_deref().unwrap_or("another process"),
        ));
    }
    let record = find(opened, id).await?.context("the job has gone")?;
    if json {
        writeln!(
            out,
            "{}",
            serde_json::json!({"job": {"id": id, "kind": record.kind, "stage": record.stage.as_str()}})
        )?;
    } else {
        writeln!(out, "Job {id}. After an interruption: segmenter {} resume {id}", verb(&record.kind))?;
    }
    out.flush()?;
    let (sender, shown) = watch::channel(None);
    let board = board::show(&record.kind, shown, json);
    let ended = run::run(&opened.means, &record, &sender).await;
    drop(sender);
    board.await.context("the progress display panicked")?;
    match ended {
        Ok(Ended::Done | Ended::Cancelled) => outcome::write(opened, id, None, json, out).await,
        Err(halt) => {
            let exit = halted(&halt)?;
            outcome::write(opened, id, Some(exit), json, out).await
        }
    }
}

/// The command that resumes jobs of this kind.
fn verb(kind: &str) -> &str {
    if kind == "replay" { "replay" } else { "job" }
}

/// Takes the lease, waiting as long as that of a dead owner may last.
async fn claim(opened: &Opened, id: Uuid, take_over: bool) -> anyhow::Result<bool> {
    let store = &opened.means.store;
    let name = format!("{}:{}", host(), std::process::id());
    let deadline = Instant::now() + LEASE + LEASE / 2;
    let mut told = false;
    loop {
        if jobs::claim(&store.pool, id, store.owner, &name, LEASE, take_over).await.context("could not take the job")? {
            return Ok(true);
        }
        if Instant::now() > deadline || opened.means.stop.is_requested() {
            return Ok(false);
        }
        if !std::mem::replace(&mut told, true) {
            writeln!(
                io::stderr(),
                "segmenter: waiting for the lease of the job's last owner to run out, at most {LEASE:?}"
            )?;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The name of this machine, as the system has it.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "?".to_owned(), |name| name.trim().to_owned())
}
