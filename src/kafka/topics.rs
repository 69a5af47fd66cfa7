//! Watches whether the topics exist, so that a missing one is a clear reason for not being ready.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaResult;
use rdkafka::producer::Producer as _;
use tracing::{info, warn};

use super::client::Topics;
use super::produce::Producer;
use crate::health::Health;

/// The name under which topics and brokers are reported as (not) ready.
pub const COMPONENT: &str = "kafka";

/// How often to look while something is missing, and while nothing is.
const IMPATIENT: Duration = Duration::from_secs(1);
const PATIENT: Duration = Duration::from_secs(15);
const ANSWER: Duration = Duration::from_secs(5);

/// Looks for the topics for as long as the process runs.
pub async fn watch(producer: Producer, topics: Arc<Topics>, health: Health) {
    let mut reported = None;
    loop {
        let problem = look(&producer, &topics).await;
        match &problem {
            Some(problem) => health.set_not_ready(COMPONENT, problem.clone()),
            None => health.set_ready(COMPONENT),
        }
        if problem != reported {
            match &problem {
                Some(problem) => warn!(problem, "Kafka is not ready"),
                None => info!("Kafka is reachable and all topics exist"),
            }
            reported.clone_from(&problem);
        }
        tokio::time::sleep(if problem.is_some() { IMPATIENT } else { PATIENT }).await;
    }
}

async fn look(producer: &Producer, topics: &Arc<Topics>) -> Option<String> {
    let (producer, topics) = (producer.clone(), Arc::clone(topics));
    let looked = tokio::task::spawn_blocking(move || missing(&producer, &topics)).await;
    match looked {
        Ok(Ok(missing)) if missing.is_empty() => None,
        Ok(Ok(missing)) => Some(format!("topics do not exist: {}", missing.join(", "))),
        Ok(Err(error)) => Some(format!("brokers do not answer: {error}")),
        Err(error) => Some(format!("could not ask the brokers: {error}")),
    }
}

fn missing(producer: &Producer, topics: &Topics) -> KafkaResult<Vec<String>> {
    let mut missing = Vec::new();
    for topic in topics.all() {
        let metadata = producer.client().fetch_metadata(Some(topic), ANSWER)?;
        let found = metadata.topics().iter().any(|found| found.error().is_none() && !found.partitions().is_empty());
        if !found {
            missing.push(topic.to_owned());
        }
    }
    Ok(missing)
}
