//! The requests to the brokers. They join no group, and commit, produce and create nothing.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::admin::{AdminClient, ResourceSpecifier};
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataPartition;
use rdkafka::{ClientContext, Message as _, Offset, TopicPartitionList};
use tokio::runtime::Handle;

use super::{ClusterFacts, Partition, Role, Tail, Topic};
use crate::checks::doctor::Subject;
use crate::checks::doctor::finding::{Answer, Unknown, Unreachable};
use crate::config::{KafkaConfig, SaslMechanism};
use crate::identity::token::Failure;
use crate::kafka::certificate;
use crate::kafka::client::{Cluster, Topics};
use crate::kafka::client_events::ClientEvents;
use crate::kafka::ffi;
use crate::kafka::topic_reader::{ReadError, Source, Span};
use crate::kafka::topic_settings::{self, Settings};
use crate::runtime::stop::{Stop, StopReason};

/// The deadline of one request, and of all of them.
const ANSWER: Duration = Duration::from_secs(5);
const ALL_ANSWERS: Duration = Duration::from_secs(40);
/// The first answer includes finding a broker, TLS and the login.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// The number of records read from each partition, and the deadline for those of one topic.
const NEWEST: i64 = 1_000;
const READING: Duration = Duration::from_secs(8);
/// How long error events are collected that name the reason of a missing answer.
const LISTENING: Duration = Duration::from_millis(300);

/// Collects the facts for all checks.
pub(super) async fn gather(subject: &Subject<'_>) -> anyhow::Result<Result<ClusterFacts, Unreachable>> {
    let config = subject.config;
    let facts = ClusterFacts {
        identity: identity(&config.kafka),
        group: config.kafka.group_id.as_str().to_owned(),
        start: config.kafka.initial_offset,
        max_value_bytes: i64::try_from(config.limits.max_value_bytes.0).unwrap_or(i64::MAX),
        brokers: 0,
        topics: Vec::new(),
        members: Ok(0),
        committed: Ok(()),
    };
    let consumer =
        BaseConsumer::from_config_and_context(&subject.cluster.reader(&facts.group), ClientErrors::default())
            .context("could not make the Kafka client")?;
    let admin = AdminClient::from_config_and_context(&subject.cluster.admin(), subject.cluster.events("doctor"))
        .context("could not make the Kafka admin client")?;
    let brokers = Brokers {
        consumer,
        admin,
        cluster: subject.cluster.clone(),
        group: facts.group.clone(),
        deadline: Instant::now() + ALL_ANSWERS,
        runtime: Handle::current(),
    };
    let names = subject.topics.clone();
    let asking = tokio::task::spawn_blocking(move || brokers.ask(&names, facts));
    match asking.await.context("could not ask Kafka")? {
        Err(Unreachable::Refused(refusal)) => {
            Ok(Err(Unreachable::Refused(match certificate::complaint(&refusal).await {
                Some(complaint) => format!("{complaint}: {refusal}"),
                None => refusal,
            })))
        }
        asked => Ok(asked),
    }
}

/// How this process logs in. The brokers may map it to a principal of another name.
fn identity(kafka: &KafkaConfig) -> String {
    let name = kafka.sasl_username.as_ref().map(|name| name.as_str()).unwrap_or_default();
    let certificate = kafka.ssl_certificate.as_ref().map(|file| format!("the client certificate {}", file.display()));
    match (kafka.sasl_mechanism, &kafka.sasl_oauth_token_url) {
        (_, Some(url)) => format!("client {name} with a token of {url} (OAUTHBEARER)"),
        (Some(SaslMechanism::AwsMskIam), None) => "the AWS credentials of the environment (AWS_MSK_IAM)".to_owned(),
        (Some(mechanism), None) => format!("user {name} with a password ({})", mechanism.as_str()),
        (None, None) => certificate.unwrap_or_else(|| "a client without a login".to_owned()),
    }
}

/// The clients, and the deadline of all requests. The calls block.
struct Brokers {
    consumer: BaseConsumer<ClientErrors>,
    admin: AdminClient<ClientEvents>,
    cluster: Cluster,
    group: String,
    deadline: Instant,
    runtime: Handle,
}

impl Brokers {
    /// The time that is left for one request.
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now()).min(ANSWER)
    }

    fn ask(&self, names: &Topics, facts: ClusterFacts) -> Result<ClusterFacts, Unreachable> {
        self.identify()?;
        let first = self.consumer.fetch_metadata(Some(&names.onboarding_completed), FIRST_ANSWER);
        let cluster = first.map_err(|error| self.why_unreachable(&error))?;
        let roles = [
            (Role::Input, &names.onboarding_completed),
            (Role::Input, &names.profile_updated),
            (Role::SegmentChanged, &names.segment_changed),
            (Role::DeadLetter, &names.dead_letter),
        ];
        let mut topics = roles.map(|(role, name)| self.topic(role, name));
        let committed = self.read_committed(&mut topics);
        let members = match &committed {
            // Such a group would be listed as if it were empty.
            Err(unknown) if unknown.denied => Err(unknown.clone()),
            _ => self.members(),
        };
        Ok(ClusterFacts { brokers: cluster.brokers().len() as u64, topics: topics.into(), members, committed, ..facts })
    }

    /// Gives both clients their token, where they log in with one.
    fn identify(&self) -> Result<(), Unreachable> {
        let Some(tokens) = &self.cluster.tokens else { return Ok(()) };
        let token = tokens.current().map_err(|failure| match failure {
            Failure::Unavailable(_) => Unreachable::Unavailable(failure.to_string()),
            Failure::Refused(_) => Unreachable::Refused(failure.to_string()),
        })?;
        let set = ffi::set_token(self.consumer.client(), &token);
        let set = set.and_then(|()| ffi::set_token(self.admin.inner(), &token));
        set.map_err(|error| Unreachable::Refused(error.to_string()))
    }

    fn topic(&self, role: Role, name: &str) -> Topic {
        let partitions = self.partitions(role, name);
        let exists = matches!(&partitions, Ok(Some(partitions)) if !partitions.is_empty());
        let mut topic = Topic { role, name: name.to_owned(), partitions, settings: None, tail: None };
        if exists {
            let right = format!("DescribeConfigs on topic {name}");
            topic.settings = Some(self.describe(&ResourceSpecifier::Topic(name), &right));
            topic.tail = (role == Role::Input).then(|| self.tail(name, topic.existing()));
        }
        topic
    }

    fn partitions(&self, role: Role, name: &str) -> Answer<Option<Vec<Partition>>> {
        let unknown = |error| unknown(&error, format!("Describe on topic {name}"));
        let metadata = self.consumer.fetch_metadata(Some(name), self.left()).map_err(unknown)?;
        let Some(found) = metadata.topics().first() else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Ok(None),
            Some(code) => return Err(unknown(KafkaError::MetadataFetch(code))),
            None => {}
        }
        let range = |partition| self.consumer.fetch_watermarks(name, partition, self.left()).ok();
        let partition = |found: &MetadataPartition| Partition {
            number: found.id(),
            has_leader: found.leader() >= 0,
            replicas: found.replicas().len(),
            range: if role == Role::Input { range(found.id()) } else { None },
            committed: None,
        };
        Ok(Some(found.partitions().iter().map(partition).collect()))
    }

    /// Reads the newest records of the partitions whose range is known.
    fn tail(&self, name: &str, partitions: &[Partition]) -> Answer<Tail> {
        let until = self.deadline.saturating_duration_since(Instant::now()).min(READING);
        let stop = Stop::default();
        let source = Source {
            cluster: self.cluster.clone(),
            group: self.group.clone(),
            topic: name.to_owned(),
            stop: stop.clone(),
        };
        self.runtime.spawn(async move {
            tokio::time::sleep(until).await;
            stop.now(StopReason::Signal);
        });
        // Empty partitions are read too: reaching the end proves the right to read.
        let span = |partition: &Partition| {
            let (low, end) = partition.range?;
            Some(Span { partition: partition.number, first: low.max(end - NEWEST), end })
        };
        let spans: Vec<Span> = partitions.iter().filter_map(span).collect();
        let mut tail = Tail { complete: true, ..Tail::default() };
        let mut read = || -> Result<(), ReadError> {
            let mut reader = source.read(&spans)?;
            while let Some(record) = reader.next_record()? {
                tail.read += 1;
                tail.nulls += u64::from(record.key().is_some() && record.payload().is_none());
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(tail),
            Err(ReadError::Interrupted) => Ok(Tail { complete: false, ..tail }),
            Err(ReadError::Failed { topic, error }) => Err(unknown(&error, format!("Read on topic {topic}"))),
            Err(error) => Err(Unknown::failed(error.to_string())),
        }
    }

    /// Reads the group's offsets into the partitions of the input topics.
    fn read_committed(&self, topics: &mut [Topic]) -> Answer<()> {
        let right = format!("Read on group {}", self.group);
        let mut wanted = TopicPartitionList::new();
        for topic in topics.iter().filter(|topic| topic.role == Role::Input) {
            for partition in topic.existing() {
                wanted.add_partition(&topic.name, partition.number);
            }
        }
        if wanted.count() == 0 {
            return Ok(());
        }
        let committed = self.consumer.committed_offsets(wanted, self.left()).map_err(|error| {
            // Without the right on the group there is no coordinator: the client looks for one until the deadline.
            let denied = self.listen().iter().any(|(code, _)| *code == RDKafkaErrorCode::GroupAuthorizationFailed);
            if denied { Unknown::denied(&right) } else { unknown(&error, &right) }
        })?;
        for topic in topics {
            for partition in topic.partitions.iter_mut().flatten().flatten() {
                let Some(element) = committed.find_partition(&topic.name, partition.number) else { continue };
                element.error().map_err(|error| unknown(&error, &right))?;
                partition.committed = match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                };
            }
        }
        Ok(())
    }

    fn members(&self) -> Answer<u64> {
        let right = format!("Describe on group {}", self.group);
        ffi::members(self.consumer.client(), &self.group, self.left()).map_err(|error| unknown(&error, right))
    }

    fn describe(&self, resource: &ResourceSpecifier<'_>, right: &str) -> Answer<Settings> {
        if self.left().is_zero() {
            return Err(Unknown::failed("there was no time left"));
        }
        let described = topic_settings::describe(&self.runtime, &self.admin, resource, self.left());
        described.map_err(|error| unknown(&error, right))?.ok_or_else(|| Unknown::denied(right))
    }

    /// The client reports the reason as an error event; the request itself only times out.
    fn why_unreachable(&self, error: &KafkaError) -> Unreachable {
        use RDKafkaErrorCode::{AllBrokersDown, Authentication, SSL};
        let reported = self.listen();
        let first = |wanted: &dyn Fn(RDKafkaErrorCode) -> bool| {
            reported.iter().find(|(code, _)| wanted(*code)).map(|(_, reason)| reason.clone())
        };
        match first(&|code| matches!(code, Authentication | SSL)) {
            Some(refusal) => Unreachable::Refused(refusal),
            None => {
                Unreachable::Unavailable(first(&|code| code != AllBrokersDown).unwrap_or_else(|| error.to_string()))
            }
        }
    }

    /// Serves the client's events for a moment and returns the errors so far.
    fn listen(&self) -> Vec<(RDKafkaErrorCode, String)> {
        let begun = Instant::now();
        while begun.elapsed() < LISTENING {
            // Errors reach the context; nothing is assigned, so there are no records.
            drop(self.consumer.poll(LISTENING / 10));
        }
        std::mem::take(&mut self.consumer.context().0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// `right` is the right that the request needs.
fn unknown(error: &KafkaError, right: impl Display) -> Unknown {
    use RDKafkaErrorCode::{ClusterAuthorizationFailed, GroupAuthorizationFailed, TopicAuthorizationFailed};
    match error.rdkafka_error_code() {
        Some(TopicAuthorizationFailed | GroupAuthorizationFailed | ClusterAuthorizationFailed) => {
            Unknown::denied(right)
        }
        _ => Unknown::failed(error.to_string()),
    }
}

/// Collects the errors that a client reports; they are not logged.
#[derive(Default)]
struct ClientErrors(Mutex<Vec<(RDKafkaErrorCode, String)>>);

impl ClientContext for ClientErrors {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let reported = error.rdkafka_error_code().map(|code| (code, reason.to_owned()));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(reported);
    }
}

impl ConsumerContext for ClientErrors {}
