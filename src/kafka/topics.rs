//! Watches that the topics exist and the brokers admit this process, so that readiness names a missing topic or right; and
//! records the ids of the input topics.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use tracing::{info, warn};

use super::certificate;
use super::client::Topics;
use super::client_events::ClientEvents;
use super::ffi;
use super::producer::Producer;
use super::topic_id::PresentTopicIds;
use crate::domain::event::Kind;
use crate::identity::token::Failure;
use crate::runtime::health::Health;
use crate::runtime::stop::{Stop, StopReason};

/// The name under which topics and brokers are reported as (not) ready.
pub(crate) const COMPONENT: &str = "kafka";

/// The interval between two checks while there is a problem, and while there is none.
const PROBLEM_INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_secs(15);

/// The deadline of the first request, and the longest of a later one. A process that ends waits for an open request.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);

/// How long brokers may refuse this process before it ends, unless all of them refuse it at the start: rights and credentials
/// may just be being granted, and a restarting broker may not know them yet.
const GRACE: Duration = Duration::from_secs(5);

/// The topics to watch, and where their ids are recorded. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Watched {
    pub topics: Arc<Topics>,
    pub ids: PresentTopicIds,
}

/// Checks the topics for as long as the process runs. A missing topic and an outage of the brokers are waited out. A refusal
/// ends the process, since only another configuration helps, and configuration is read at the start. If no broker has ever
/// admitted this process, the process ends once each of them has refused it, or the identity provider has.
pub(crate) async fn watch(producer: Producer, reported: ClientEvents, watched: Watched, health: Health, stop: Stop) {
    let watched = Arc::new(watched);
    let mut last = None;
    let mut refused_since = None;
    let mut was_admitted = false;
    let mut deadline = FIRST_ANSWER;
    loop {
        let (problem, is_final) = tokio::select! {
            problem = look(&producer, &reported, &watched, deadline) => (problem, false),
            refusal = reported.refused_by_all(), if !was_admitted => (Some(Problem::Refused(refusal)), true),
        };
        let is_final = is_final || (!was_admitted && matches!(problem, Some(Problem::NoToken(Failure::Refused(_)))));
        was_admitted |= matches!(problem, None | Some(Problem::Missing(_) | Problem::NotAllowed(_)));
        deadline = (deadline * 2).min(ANSWER);
        match &problem {
            Some(problem) => health.set_not_ready(COMPONENT, problem.to_string()),
            None => health.set_ready(COMPONENT),
        }
        if problem != last {
            match &problem {
                Some(problem) => warn!(%problem, "Kafka is not ready"),
                None => info!("Kafka is reachable and all topics exist"),
            }
            last.clone_from(&problem);
        }
        match &problem {
            Some(problem @ (Problem::Refused(_) | Problem::NotAllowed(_) | Problem::NoToken(Failure::Refused(_)))) => {
                let since = *refused_since.get_or_insert_with(Instant::now);
                if is_final || since.elapsed() >= GRACE {
                    return stop.now(StopReason::Failure(problem.explained().await));
                }
            }
            Some(Problem::Missing(_) | Problem::Silent(_) | Problem::NoToken(Failure::Unavailable(_))) | None => {
                refused_since = None;
            }
        }
        tokio::time::sleep(if problem.is_some() { PROBLEM_INTERVAL } else { INTERVAL }).await;
    }
}

/// Why the topics cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("topics do not exist: {}", .0.join(", "))]
    Missing(Vec<String>),
    #[error("not allowed to see the topics {}; grant Describe on them", .0.join(", "))]
    NotAllowed(Vec<String>),
    #[error("the brokers refuse this client, or it rejects their certificate: {0}")]
    Refused(String),
    #[error("brokers do not answer: {0}")]
    Silent(String),
    #[error("no token to log in with: {0}")]
    NoToken(Failure),
}

impl Problem {
    /// The problem, with an explanation if its certificate check finds one.
    async fn explained(&self) -> String {
        match self {
            Self::Refused(refusal) => match certificate::complaint(refusal).await {
                Some(complaint) => format!("{complaint}: {self}"),
                None => self.to_string(),
            },
            _ => self.to_string(),
        }
    }
}

async fn look(
    producer: &Producer,
    reported: &ClientEvents,
    watched: &Arc<Watched>,
    deadline: Duration,
) -> Option<Problem> {
    if let Some(failure) = reported.token_failure() {
        return Some(Problem::NoToken(failure));
    }
    let (producer, watched) = (producer.clone(), Arc::clone(watched));
    let looked = tokio::task::spawn_blocking(move || {
        let found = problem(&producer, &watched.topics, deadline)?;
        if found.is_none() {
            see_ids(&producer, &watched, deadline);
        }
        KafkaResult::Ok(found)
    })
    .await;
    match looked {
        Ok(Ok(problem)) => problem,
        Ok(Err(error)) => Some(match reported.refusal() {
            Some(refusal) => Problem::Refused(refusal),
            None => Problem::Silent(error.to_string()),
        }),
        Err(error) => Some(Problem::Silent(error.to_string())),
    }
}

/// Records the ids of the input topics. Errors are ignored: the metadata request before it reports brokers that do not answer.
fn see_ids(producer: &Producer, Watched { topics, ids }: &Watched, deadline: Duration) {
    let found = ffi::topic_ids(producer.client(), &Kind::ALL.map(|kind| topics.input(kind)), deadline);
    if let Ok(found) = found {
        ids.see(&topics.by_kind(&found));
    }
}

fn problem(producer: &Producer, topics: &Topics, deadline: Duration) -> KafkaResult<Option<Problem>> {
    let (mut missing, mut not_allowed) = (Vec::new(), Vec::new());
    for topic in topics.all() {
        let metadata = producer.client().fetch_metadata(Some(topic), deadline)?;
        let found = metadata.topics().first();
        let error = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
        if error == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            not_allowed.push(topic.to_owned());
        } else if error.is_some() || found.is_none_or(|found| found.partitions().is_empty()) {
            missing.push(topic.to_owned());
        }
    }
    Ok(match (not_allowed.is_empty(), missing.is_empty()) {
        (false, _) => Some(Problem::NotAllowed(not_allowed)),
        (true, false) => Some(Problem::Missing(missing)),
        (true, true) => None,
    })
}
