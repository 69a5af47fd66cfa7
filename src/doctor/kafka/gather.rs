//! The questions to the brokers. Nothing is joined, committed, produced or created.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use super::tail;
use super::{Facts, Needs, Partition, Role, Settings, Topic};
use crate::doctor::finding::{Answer, Unreachable, Untold};
use crate::kafka::certificate;
use crate::kafka::client::{Cluster, Topics};

/// How long one question may take, and all of them.
const ANSWER: Duration = Duration::from_secs(5);
const ALL_ANSWERS: Duration = Duration::from_secs(40);
/// How long events are listened to that say why there was no answer.
const LISTENING: Duration = Duration::from_millis(300);
/// The first answer includes finding a broker, TLS and the login.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// A moment after which nothing more is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// The earlier of this one and the end of `patience`.
    pub(super) fn within(self, patience: Duration) -> Self {
        Self(self.0.min(Instant::now() + patience))
    }

    /// How long one question may take now.
    pub(super) fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now()).min(ANSWER)
    }

    pub(super) fn is_over(self) -> bool {
        self.left().is_zero()
    }
}

/// Asks all that the checks want to know.
///
/// # Errors
/// A client cannot be made from its configuration, which was checked before.
pub async fn gather(cluster: &Cluster, topics: &Topics, needs: &Needs) -> anyhow::Result<Result<Facts, Unreachable>> {
    let deadline = Deadline(Instant::now() + ALL_ANSWERS);
    let mut config = cluster.consumer(&needs.group, Duration::from_secs(45), Duration::from_secs(300));
    // Unlike the service it wants to know of ends, and does not mind a record that has gone since it was heard of.
    config.set("enable.partition.eof", "true").set("auto.offset.reset", "earliest").set("statistics.interval.ms", "0");
    let consumer: BaseConsumer<Ear> =
        BaseConsumer::from_config_and_context(&config, Ear::default()).context("could not make the Kafka client")?;
    let admin: AdminClient<Deaf> = AdminClient::from_config_and_context(&cluster.admin(), Deaf)
        .context("could not make the Kafka client that asks for settings")?;

    let (topics, group) = (topics.clone(), needs.group.clone());
    let asking = tokio::task::spawn_blocking(move || ask(&consumer, &topics, &group, deadline));
    let (mut facts, broker) = match asking.await.context("could not ask Kafka")? {
        Ok(answers) => answers,
        Err(unreachable) => return Ok(Err(explained(unreachable).await)),
    };
    describe_topics(&admin, &mut facts.topics, deadline).await;
    facts.offsets_retention = match broker {
        Some(broker) => offsets_retention(&admin, broker, deadline).await,
        None => Err(Untold::failed("no broker is known")),
    };
    Ok(Ok(facts))
}

/// What the consumer can ask; also the id of a broker.
fn ask(
    consumer: &BaseConsumer<Ear>,
    topics: &Topics,
    group: &str,
    deadline: Deadline,
) -> Result<(Facts, Option<i32>), Unreachable> {
    let roles = [
        (Role::OnboardingCompleted, &topics.onboarding_completed),
        (Role::ProfileUpdated, &topics.profile_updated),
        (Role::SegmentChanged, &topics.segment_changed),
        (Role::DeadLetter, &topics.dead_letter),
    ];
    let first = consumer.fetch_metadata(Some(&topics.onboarding_completed), FIRST_ANSWER);
    let cluster = first.map_err(|error| why_unreachable(consumer, &error))?;
    let mut found: Vec<Topic> = roles.into_iter().map(|(role, name)| topic(consumer, role, name, deadline)).collect();
    let committed = read_committed(consumer, group, &mut found, deadline);
    for topic in found.iter_mut().filter(|topic| topic.role.is_input() && !topic.existing().is_empty()) {
        topic.tail = Some(tail::read(consumer, &topic.name, topic.existing(), deadline));
    }
    let members = match &committed {
        // It would not be listed either, as if nobody were in it.
        Err(untold) if untold.denied => Err(untold.clone()),
        _ => members(consumer, group, deadline),
    };
    let facts = Facts {
        brokers: cluster.brokers().len() as u64,
        topics: found,
        members,
        committed,
        offsets_retention: Err(not_asked()),
    };
    Ok((facts, cluster.brokers().first().map(|broker| broker.id())))
}

fn topic(consumer: &BaseConsumer<Ear>, role: Role, name: &str, deadline: Deadline) -> Topic {
    let mut partitions = partitions(consumer, name, deadline);
    if let (true, Ok(Some(partitions))) = (role.is_input(), &mut partitions) {
        for partition in partitions {
            partition.range = consumer.fetch_watermarks(name, partition.number, deadline.left()).ok();
        }
    }
    Topic { role, name: name.to_owned(), partitions, settings: Err(not_asked()), tail: None }
}

fn partitions(consumer: &BaseConsumer<Ear>, name: &str, deadline: Deadline) -> Answer<Option<Vec<Partition>>> {
    let right = || format!("Describe on topic {name}");
    let metadata = consumer.fetch_metadata(Some(name), deadline.left()).map_err(|error| untold(&error, right))?;
    let Some(topic) = metadata.topics().iter().find(|topic| topic.name() == name) else { return Ok(None) };
    if let Some(error) = topic.error() {
        let code = RDKafkaErrorCode::from(error);
        return match code {
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => Ok(None),
            _ => Err(untold(&KafkaError::MetadataFetch(code), right)),
        };
    }
    let partition = |found: &MetadataPartition| Partition {
        number: found.id(),
        has_leader: found.leader() >= 0,
        replicas: found.replicas().len(),
        range: None,
        committed: None,
    };
    Ok(Some(topic.partitions().iter().map(partition).collect()))
}

/// Notes the group's offsets in the partitions.
fn read_committed(consumer: &BaseConsumer<Ear>, group: &str, topics: &mut [Topic], deadline: Deadline) -> Answer<()> {
    let right = || format!("Read on group {group}");
    let mut wanted = TopicPartitionList::new();
    for topic in topics.iter().filter(|topic| topic.role.is_input()) {
        for partition in topic.existing() {
            wanted.add_partition(&topic.name, partition.number);
        }
    }
    if wanted.count() == 0 {
        return Ok(());
    }
    let committed = consumer.committed_offsets(wanted, deadline.left()).map_err(|error| {
        // A group that may not be seen has no coordinator for us: the client looks for one until the time is over.
        let is_denied = listen(consumer).errors.contains(&RDKafkaErrorCode::GroupAuthorizationFailed);
        if is_denied { Untold::denied(right()) } else { untold(&error, right) }
    })?;
    for topic in topics.iter_mut() {
        let Ok(Some(partitions)) = &mut topic.partitions else { continue };
        for partition in partitions {
            let Some(element) = committed.find_partition(&topic.name, partition.number) else { continue };
            element.error().map_err(|error| untold(&error, right))?;
            if let Offset::Offset(offset) = element.offset() {
                partition.committed = Some(offset);
            }
        }
    }
    Ok(())
}

fn members(consumer: &BaseConsumer<Ear>, group: &str, deadline: Deadline) -> Answer<u64> {
    let right = || format!("Describe on group {group}");
    let groups = consumer.fetch_group_list(Some(group), deadline.left()).map_err(|error| untold(&error, right))?;
    // A group that nobody is in and that has no offsets is not listed.
    let listed = groups.groups().iter().find(|found| found.name() == group);
    Ok(listed.map_or(0, |listed| listed.members().len() as u64))
}

async fn describe_topics(admin: &AdminClient<Deaf>, topics: &mut [Topic], deadline: Deadline) {
    for topic in topics.iter_mut().filter(|topic| !topic.existing().is_empty()) {
        let right = format!("DescribeConfigs on topic {}", topic.name);
        topic.settings = describe(admin, &ResourceSpecifier::Topic(&topic.name), &right, deadline).await;
    }
}

async fn offsets_retention(admin: &AdminClient<Deaf>, broker: i32, deadline: Deadline) -> Answer<Duration> {
    let right = "DescribeConfigs on the cluster";
    let settings = describe(admin, &ResourceSpecifier::Broker(broker), right, deadline).await?;
    let minutes = settings.number("offsets.retention.minutes").and_then(|minutes| u64::try_from(minutes).ok());
    let minutes = minutes.ok_or_else(|| Untold::failed("the broker does not name offsets.retention.minutes"))?;
    Ok(Duration::from_secs(minutes.saturating_mul(60)))
}

async fn describe(
    admin: &AdminClient<Deaf>,
    resource: &ResourceSpecifier<'_>,
    right: &str,
    deadline: Deadline,
) -> Answer<Settings> {
    if deadline.is_over() {
        return Err(Untold::failed("there was no time left"));
    }
    let options = AdminOptions::new().request_timeout(Some(deadline.left()));
    let described = admin.describe_configs([resource], &options).await.map_err(|error| untold(&error, || right))?;
    match described.into_iter().next() {
        // That is how the client gives an answer that is an error: every existing resource has settings.
        Some(Ok(resource)) if resource.entries.is_empty() => Err(Untold::denied(right)),
        Some(Ok(resource)) => {
            let named = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            Ok(Settings(named.collect()))
        }
        Some(Err(code)) => Err(untold(&KafkaError::AdminOp(code), || right)),
        None => Err(Untold::failed("the broker did not answer the question")),
    }
}

fn not_asked() -> Untold {
    Untold::failed("it was not asked")
}

/// `right` is what is missing if it is a right that is missing.
pub(super) fn untold<R: std::fmt::Display>(error: &KafkaError, right: impl FnOnce() -> R) -> Untold {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed,
        ) => Untold::denied(right()),
        _ => Untold::failed(error.to_string()),
    }
}

/// The client says the reason in events and in its log; the answer itself is only that there is none.
fn why_unreachable(consumer: &BaseConsumer<Ear>, error: &KafkaError) -> Unreachable {
    let heard = listen(consumer);
    match heard.refusal {
        Some(refusal) => Unreachable::Refused(refusal),
        None => Unreachable::Away(heard.complaint.unwrap_or_else(|| error.to_string())),
    }
}

/// With what is wrong with a certificate, if that is why.
async fn explained(unreachable: Unreachable) -> Unreachable {
    match unreachable {
        Unreachable::Refused(refusal) => match certificate::complaint(&refusal).await {
            Some(complaint) => Unreachable::Refused(format!("{complaint}: {refusal}")),
            None => Unreachable::Refused(refusal),
        },
        away @ Unreachable::Away(_) => away,
    }
}

/// Serves the client's events for a moment, and gives what was heard until now.
fn listen(consumer: &BaseConsumer<Ear>) -> Heard {
    let deadline = Instant::now() + LISTENING;
    while Instant::now() < deadline {
        // Errors reach the context; records are not waited for where this is asked.
        drop(consumer.poll(LISTENING / 10));
    }
    std::mem::take(&mut consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner))
}

/// What a client says of itself, which for a command is no log.
#[derive(Default)]
struct Heard {
    /// The first complaint in its log.
    complaint: Option<String>,
    /// Why the brokers, or our own check of their certificate, first refused.
    refusal: Option<String>,
    errors: Vec<RDKafkaErrorCode>,
}

#[derive(Default)]
struct Ear(Mutex<Heard>);

impl ClientContext for Ear {
    fn log(&self, level: RDKafkaLogLevel, _: &str, message: &str) {
        if matches!(level, RDKafkaLogLevel::Error | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Alert) {
            // A line begins with the name of a thread of the client.
            let text = message.split_once("]: ").map_or(message, |(_, text)| text);
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.complaint.get_or_insert_with(|| text.to_owned());
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL) = error.rdkafka_error_code() {
            heard.refusal.get_or_insert_with(|| reason.to_owned());
        }
        heard.errors.extend(error.rdkafka_error_code());
    }
}

impl ConsumerContext for Ear {}

/// What the second client has to complain of, the first has heard.
struct Deaf;

impl ClientContext for Deaf {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: KafkaError, _: &str) {}
}
