//! The settings of a topic as the brokers have them, and a watch of how long the input topics keep their records: an alert
//! compares it with the age of the oldest unfinished record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use tokio::runtime::Handle;
use tracing::{debug, info};

use super::client::{Cluster, Topics, close};
use super::client_events::ClientEvents;
use super::topics::Watched;
use crate::domain::event::Kind;
use crate::telemetry::metrics::Metrics;

/// The settings of a resource by name, the brokers' defaults included.
pub(crate) type Settings = BTreeMap<String, String>;

/// The interval between two look-ups, and after one that failed.
const INTERVAL: Duration = Duration::from_secs(600);
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The deadline of a look-up. A process that ends waits for an open one.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks for the settings of a resource; `None` without the right to see them. The call blocks.
///
/// # Errors
/// The brokers do not answer, or the resource does not exist.
pub(crate) fn describe<C: ClientContext>(
    runtime: &Handle,
    admin: &AdminClient<C>,
    resource: &ResourceSpecifier<'_>,
    timeout: Duration,
) -> KafkaResult<Option<Settings>> {
    let options = AdminOptions::new().request_timeout(Some(timeout));
    match runtime.block_on(admin.describe_configs([resource], &options))?.into_iter().next() {
        // The client returns a refusal as an empty list: every existing resource has settings.
        Some(Ok(described)) if described.entries.is_empty() => Ok(None),
        Some(Ok(described)) => {
            Ok(Some(described.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()))
        }
        Some(Err(code)) => Err(KafkaError::AdminOp(code)),
        None => Err(KafkaError::AdminOp(RDKafkaErrorCode::NoEnt)),
    }
}

/// Whether `cleanup.policy` names this policy.
pub(crate) fn cleans_up_by(settings: &Settings, policy: &str) -> bool {
    settings.get("cleanup.policy").is_some_and(|policies| policies.split(',').any(|one| one.trim() == policy))
}

/// `retention.ms`, if records are deleted by age.
pub(crate) fn retention_ms(settings: &Settings) -> Option<u64> {
    settings.get("retention.ms").filter(|_| cleans_up_by(settings, "delete"))?.parse().ok()
}

/// Sets the metric for as long as the process runs, once the topics are known to exist. Without the right to see the settings it
/// stays absent.
pub(crate) async fn watch_retention(cluster: Cluster, watched: Watched, metrics: Metrics) {
    let Watched { topics, ids } = watched;
    let mut was_refused = false;
    while Kind::ALL.iter().any(|kind| ids.of(*kind).is_none()) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    loop {
        let (cluster, topics, metrics, runtime) =
            (cluster.clone(), Arc::clone(&topics), metrics.clone(), Handle::current());
        let looked = tokio::task::spawn_blocking(move || look(&runtime, &cluster, &topics, &metrics)).await;
        let pause = match looked {
            Ok(Ok(is_refused)) => {
                if is_refused && !std::mem::replace(&mut was_refused, is_refused) {
                    info!(
                        "the retention of the input topics is not known, and no alert compares the lag with it; grant \
                         DescribeConfigs on them"
                    );
                }
                INTERVAL
            }
            failed => {
                debug!(?failed, "could not look up the retention of the input topics");
                AFTER_FAILURE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Looks once, with a client of its own, which is closed until the next time; returns whether a right is missing.
fn look(runtime: &Handle, cluster: &Cluster, topics: &Topics, metrics: &Metrics) -> KafkaResult<bool> {
    let admin = AdminClient::from_config_and_context(&cluster.admin(), cluster.events("topic settings"))?;
    ClientEvents::identify(admin.inner())?;
    let mut is_refused = false;
    let looked = Kind::ALL.map(|kind| topics.input(kind)).iter().try_for_each(|topic| {
        let settings = describe(runtime, &admin, &ResourceSpecifier::Topic(topic), ANSWER)?;
        is_refused |= settings.is_none();
        metrics.topic_retention(topic, settings.as_ref().and_then(retention_ms).map(Duration::from_millis));
        Ok(())
    });
    close(admin);
    looked.map(|()| is_refused)
}
