//! The commands that an operator types next, by the state of a job.

use uuid::Uuid;

use crate::store::jobs::{JobRecord, Phase, Requested};

/// Continues a job that is paused or has no owner.
pub(crate) fn resume(id: Uuid) -> String {
    command("resume", id)
}

/// The commands that apply to a job as it is, the most likely first; none once it has ended.
pub(crate) fn of(job: &JobRecord) -> Vec<String> {
    let id = job.id;
    if job.phase.is_end() {
        return Vec::new();
    }
    if job.waits_for_operator() {
        return vec![resume(id), command("status", id), command("cancel", id)];
    }
    match (job.phase, job.requested) {
        (Phase::Work, Requested::Run) => vec![
            command("status", id),
            command("pause", id),
            format!("{} --rate {RATE}", command("throttle", id)),
            command("cancel", id),
        ],
        // It publishes, which cannot be cancelled.
        _ => vec![command("status", id), command("pause", id)],
    }
}

/// The rate in the example of a limit, in items a second, as in the runbook.
const RATE: u32 = 500;

fn command(action: &str, id: Uuid) -> String {
    format!("segmenter job {action} {id}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::event::Millis;

    fn actions(phase: Phase, requested: Requested, is_owned: bool) -> Vec<String> {
        let job = JobRecord {
            id: Uuid::nil(),
            kind: "replay".to_owned(),
            spec: serde_json::Value::Null,
            throttle: serde_json::Value::Null,
            requested,
            phase,
            owner_name: None,
            leased_for: is_owned.then_some(Duration::from_secs(9)),
            report: serde_json::Value::Null,
            created_at: Millis(0),
            ended_at: phase.is_end().then_some(Millis(1)),
        };
        let action = |command: &String| command.split(' ').nth(2).map(str::to_owned);
        of(&job).iter().filter_map(action).collect()
    }

    #[test]
    fn a_job_that_waits_for_an_operator_is_resumed_and_one_that_works_is_watched_paused_or_throttled() {
        for (requested, is_owned) in [(Requested::Pause, true), (Requested::Run, false), (Requested::Pause, false)] {
            assert_eq!(actions(Phase::Work, requested, is_owned), ["resume", "status", "cancel"]);
        }
        assert_eq!(actions(Phase::Work, Requested::Run, true), ["status", "pause", "throttle", "cancel"]);
        assert_eq!(actions(Phase::Work, Requested::Cancel, true), ["status", "pause"]);
        assert_eq!(actions(Phase::Publish, Requested::Run, true), ["status", "pause"]);
        assert!(actions(Phase::Done, Requested::Run, false).is_empty());
    }
}
