//! Watches whether the topics exist and the brokers let us in, so that what is missing is a clear reason for not being
//! ready; and which topics of their names these are.

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
use super::topic_id::TopicIds;
use crate::domain::event::Kind;
use crate::runtime::health::Health;
use crate::runtime::stop::{Stop, StopReason};

/// The name under which topics and brokers are reported as (not) ready.
pub const COMPONENT: &str = "kafka";

/// How often to look while something is missing, and while nothing is.
const IMPATIENT: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(15);

/// How long the brokers have for the first answer, and at most for a later one. A process that ends waits for a question
/// that is still open.
const FIRST_ANSWER: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);

/// How long brokers may refuse us before the process ends, where not all of them have done so at its start: rights and
/// credentials may be given at this moment, and a broker that restarts may not know them yet.
const GRACE: Duration = Duration::from_secs(5);

/// What the watch looks at, and where it leaves the topics' ids.
pub struct Watched {
    pub topics: Arc<Topics>,
    pub ids: Arc<TopicIds>,
}

/// Looks for the topics for as long as the process runs. A missing topic and brokers that are unavailable are waited for; brokers
/// that refuse us end the process, since only another configuration helps, and that is read at the start. Where none of them
/// has ever let this process in, each is asked once.
pub async fn watch(producer: Producer, reported: ClientEvents, watched: Watched, health: Health, stop: Stop) {
    let watched = Arc::new(watched);
    let mut last = None;
    let mut refused_since = None;
    let mut was_let_in = false;
    let mut patience = FIRST_ANSWER;
    loop {
        let (problem, is_final) = tokio::select! {
            problem = look(&producer, &reported, &watched, patience) => (problem, false),
            refusal = reported.refused_by_all(), if !was_let_in => (Some(Problem::Refused(refusal)), true),
        };
        was_let_in |= !matches!(problem, Some(Problem::Refused(_) | Problem::Silent(_)));
        patience = (patience * 2).min(ANSWER);
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
            Some(problem @ (Problem::Refused(_) | Problem::NotAllowed(_))) => {
                let since = *refused_since.get_or_insert_with(Instant::now);
                if is_final || since.elapsed() >= GRACE {
                    return stop.now(StopReason::Failure(problem.explained().await));
                }
            }
            Some(Problem::Missing(_) | Problem::Silent(_)) | None => refused_since = None,
        }
        tokio::time::sleep(if problem.is_some() { IMPATIENT } else { PATIENT }).await;
    }
}

/// What keeps us from the topics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("topics do not exist: {}", .0.join(", "))]
    Missing(Vec<String>),
    #[error("not allowed to see the topics {}; grant Describe on them", .0.join(", "))]
    NotAllowed(Vec<String>),
    #[error("the brokers refuse us, or we them: {0}")]
    Refused(String),
    #[error("brokers do not answer: {0}")]
    Silent(String),
}

impl Problem {
    /// The problem, with what was found out about it.
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
    patience: Duration,
) -> Option<Problem> {
    let (asking, watched) = (producer.clone(), Arc::clone(watched));
    let looked = tokio::task::spawn_blocking(move || {
        let found = problem(&asking, &watched.topics, patience)?;
        if found.is_none() {
            see_ids(&asking, &watched, patience);
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

/// Takes down the ids of the input topics. Brokers that do not answer are a problem of those who look for the topics.
fn see_ids(producer: &Producer, Watched { topics, ids }: &Watched, patience: Duration) {
    let kinds = [Kind::OnboardingCompleted, Kind::ProfileUpdated];
    let found = ffi::topic_ids(producer.client(), &kinds.map(|kind| topics.input(kind)), patience);
    if let Ok(found) = found {
        ids.see(&topics.by_kind(&found));
    }
}

fn problem(producer: &Producer, topics: &Topics, patience: Duration) -> KafkaResult<Option<Problem>> {
    let (mut missing, mut not_allowed) = (Vec::new(), Vec::new());
    for topic in topics.all() {
        let metadata = producer.client().fetch_metadata(Some(topic), patience)?;
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
