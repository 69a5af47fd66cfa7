//! The jobs of all processes as metrics of this one: jobs end, and have no page of metrics to be scraped.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgPool;
use tracing::debug;

use super::jobs::{JobStatus, read};
use crate::metrics::{JobsOfAKind, Metrics};
use crate::store::jobs::{KINDS, OPEN_STATES};

/// How often the jobs are read.
const INTERVAL: Duration = Duration::from_secs(10);

/// Reads them for as long as the process runs. A role that may not read them shows none.
pub async fn watch(pool: PgPool, metrics: Metrics) {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match read(&pool).await {
            Ok(jobs) => KINDS.iter().for_each(|kind| metrics.observe_jobs(kind, &of_a_kind(&jobs, kind))),
            Err(error) => debug!(%error, "could not read the jobs"),
        }
    }
}

fn of_a_kind(jobs: &[JobStatus], kind: &str) -> JobsOfAKind {
    let open = || jobs.iter().filter(|job| job.kind == kind && job.ended_at.is_none());
    let states: BTreeMap<&'static str, i64> =
        OPEN_STATES.iter().map(|state| (*state, count(open().filter(|job| job.state == *state)))).collect();
    let progress = open().filter_map(JobStatus::progress).fold(1.0, f64::min);
    JobsOfAKind { states, held: count(open().filter(|job| job.held_by.is_some())), progress }
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::jobs::Counts;

    fn job(state: &'static str, passed: u64, held_by: Option<&str>) -> JobStatus {
        JobStatus {
            id: uuid::Uuid::nil(),
            kind: "replay".to_owned(),
            state,
            passed: Some(passed),
            expected: Some(200),
            counts: Counts::default(),
            items_per_second: 0.0,
            held_by: held_by.map(str::to_owned),
            started_at: String::new(),
            ended_at: (state == "done").then(String::new),
        }
    }

    #[test]
    fn jobs_that_have_ended_do_not_count_and_the_least_advanced_shows() {
        let jobs = [job("done", 200, None), job("running", 150, Some("its rate")), job("interrupted", 50, None)];
        let replays = of_a_kind(&jobs, "replay");
        assert_eq!((replays.states["running"], replays.states["interrupted"], replays.held), (1, 1, 1));
        assert!((replays.progress - 0.25).abs() < 1e-9);
        let none = of_a_kind(&jobs, "backfill");
        assert!(none.states.values().all(|count| *count == 0) && (none.progress - 1.0).abs() < 1e-9);
    }
}
