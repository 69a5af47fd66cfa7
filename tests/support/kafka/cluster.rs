//! A cluster of three brokers, and a link of its own from each client process to each broker.
//!
//! Each broker is controller too and has one listener for every client process, which advertises the port of a proxy: a test
//! cuts or swallows one link and leaves the others alone. Tests and producers use the plain listener, without a proxy.

use std::net::TcpStream;
use std::time::Duration;

use rdkafka::admin::{AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::Metadata;
use serde_json::Value;

use super::super::Proxy;
use super::{Children, Kafka, Life, Supervisor, TIMEOUT, eventually_blocking, format_storage, free_port, server};

/// The number of brokers; they are named by 0, 1, 2, and their ids are one higher.
pub const BROKERS: usize = 3;

/// The topics' replicas need two of three. An election takes a second or two.
const SHARED: &str = "\
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
replica.lag.time.max.ms=3000
controller.quorum.fetch.timeout.ms=1500
controller.quorum.election.timeout.ms=500
";

pub struct KafkaCluster {
    brokers: Vec<Broker>,
    /// The client side, on all brokers' plain listeners.
    kafka: Kafka,
}

struct Broker {
    supervisor: Supervisor,
    port: u16,
    /// By client process.
    links: Vec<Proxy>,
}

impl KafkaCluster {
    /// Starts the brokers, with links for this many client processes.
    pub fn start(clients: usize) -> Self {
        let controllers: Vec<u16> = (0..BROKERS).map(|_| free_port()).collect();
        let brokers: Vec<Broker> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..BROKERS)
                .map(|number| {
                    scope.spawn({
                        let controllers = &controllers;
                        move || Broker::start(number, controllers, clients)
                    })
                })
                .collect();
            starting.into_iter().map(|broker| broker.join().expect("the broker starts")).collect()
        });
        let addresses: Vec<String> = brokers.iter().map(|broker| format!("127.0.0.1:{}", broker.port)).collect();
        let kafka = Kafka { replicas: 3, ..Kafka::at(addresses.join(","), None) };
        let cluster = Self { brokers, kafka };
        cluster.wait_until_whole();
        cluster
    }

    /// The client side: topics, records, offsets.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// A client process's `KAFKA_BROKERS`: its links to all brokers.
    pub fn links_of(&self, client: usize) -> String {
        self.brokers.iter().map(|broker| broker.links[client].address()).collect::<Vec<_>>().join(",")
    }

    /// The link from a client process to a broker.
    pub fn link(&self, client: usize, broker: usize) -> &Proxy {
        &self.brokers[broker].links[client]
    }

    /// Kills a broker (SIGKILL). Its data stays.
    pub fn kill(&self, broker: usize) {
        self.brokers[broker].supervisor.stop("KILL");
    }

    /// Starts dead brokers, resumes paused ones, mends all links, and waits until every replica is in sync.
    pub fn heal(&self) {
        self.brokers.iter().flat_map(|broker| &broker.links).for_each(|link| link.swallow(false));
        // All at once: one alone is no quorum.
        let (alive, dead): (Vec<&Broker>, Vec<&Broker>) =
            self.brokers.iter().partition(|broker| broker.supervisor.is_running());
        alive.iter().for_each(|broker| broker.supervisor.signal("CONT", Children::No));
        for broker in &dead {
            broker.supervisor.start();
        }
        dead.iter().for_each(|broker| broker.wait_until_ready());
        self.wait_until_whole();
    }

    /// Waits until all brokers are alive and every replica is in sync.
    fn wait_until_whole(&self) {
        let client = self.client();
        eventually_blocking(Duration::from_secs(90), "all replicas to be in sync", || {
            let Ok(metadata) = client.fetch_metadata(None, Duration::from_secs(5)) else { return false };
            let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
            metadata.brokers().len() == BROKERS
                && partitions
                    .into_iter()
                    .all(|found| found.leader() >= 0 && found.isr().len() == found.replicas().len())
        });
    }

    /// Pauses a broker (SIGSTOP): connections stay open and unanswered.
    pub fn pause(&self, broker: usize) {
        self.brokers[broker].supervisor.signal("STOP", Children::No);
    }

    /// Restarts the brokers as an operator does, each when all replicas are in sync.
    pub fn restart_one_after_another(&self) {
        for broker in &self.brokers {
            broker.supervisor.stop("TERM");
            broker.run();
            self.wait_until_whole();
        }
    }

    /// Creates a topic of three partitions whose only replicas are on this broker; returns its name.
    pub async fn create_topic_on(&self, broker: usize, prefix: &str) -> String {
        let name = format!("{prefix}-{}", uuid::Uuid::new_v4().simple());
        let id = [i32::try_from(broker + 1).expect("one of three")];
        let assignment = [&id[..]; 3];
        let topic = NewTopic::new(&name, 3, TopicReplication::Variable(&assignment)).set("min.insync.replicas", "1");
        let created = self.kafka.admin().create_topics([&topic], &AdminOptions::new()).await;
        created.expect("a broker answers").into_iter().for_each(|result| drop(result.expect("a topic can be created")));
        self.kafka.wait_for_partitions(&name, 3).await;
        name
    }

    /// The broker that leads a partition; waits until there is one.
    pub fn leader(&self, topic: &str, partition: i32) -> usize {
        let mut leader = None;
        self.wait_for_metadata(topic, "the partition to have a leader", |metadata| {
            leader = leader_in(metadata, topic, partition);
            leader.is_some()
        });
        leader.expect("it was waited for")
    }

    /// Waits until no broker leads this partition.
    pub fn wait_until_leaderless(&self, topic: &str, partition: i32) {
        self.wait_for_metadata(topic, "the partition to have no leader", |metadata| {
            leader_in(metadata, topic, partition).is_none()
        });
    }

    fn wait_for_metadata(&self, topic: &str, what: &str, mut holds: impl FnMut(&Metadata) -> bool) {
        let client = self.client();
        eventually_blocking(TIMEOUT, what, || {
            client.fetch_metadata(Some(topic), Duration::from_secs(5)).is_ok_and(|metadata| holds(&metadata))
        });
    }

    /// The broker that coordinates a group: the leader of the group's partition of `__consumer_offsets`.
    pub fn coordinator(&self, group: &str) -> usize {
        const TOPIC: &str = "__consumer_offsets";
        let metadata = self.client().fetch_metadata(Some(TOPIC), TIMEOUT).expect("a broker answers");
        let partitions = i32::try_from(metadata.topics()[0].partitions().len()).expect("few partitions");
        // Java's String.hashCode.
        let hash = group.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
        self.leader(TOPIC, (hash & i32::MAX) % partitions)
    }

    /// The active controller: the leader of the newest epoch that any broker has stored.
    pub fn controller(&self) -> usize {
        let states = self.brokers.iter().filter_map(|broker| {
            let path = broker.supervisor.folder().join("data/__cluster_metadata-0/quorum-state");
            let state: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
            let leader = usize::try_from(state["leaderId"].as_i64()?).ok()?;
            Some((state["leaderEpoch"].as_i64()?, leader))
        });
        let (_, leader) = states.max().expect("a controller was elected");
        leader - 1
    }

    fn client(&self) -> BaseConsumer {
        self.kafka.client().create().expect("a valid client")
    }
}

impl Broker {
    /// Formats the storage of a broker and starts it.
    fn start(number: usize, controllers: &[u16], clients: usize) -> Self {
        let supervisor = server(Life::Member, &[]);
        let (port, controller) = (free_port(), controllers[number]);
        let ports: Vec<u16> = (0..clients).map(|_| free_port()).collect();
        let links: Vec<Proxy> = ports.iter().map(|port| Proxy::to(&format!("kafka://127.0.0.1:{port}"))).collect();
        let each = |line: &dyn Fn(usize) -> String| (0..clients).map(line).collect::<String>();
        let voters: Vec<String> =
            controllers.iter().zip(1..).map(|(port, id)| format!("{id}@127.0.0.1:{port}")).collect();
        let own = format!(
            "{SHARED}node.id={}\ncontroller.quorum.voters={}\n\
             listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{}\n",
            number + 1,
            voters.join(","),
            each(&|client| format!(",CLIENT{client}:PLAINTEXT")),
            each(&|client| format!(",CLIENT{client}://127.0.0.1:{}", ports[client])),
            each(&|client| format!(",CLIENT{client}://{}", links[client].address())),
        );
        format_storage(supervisor.folder(), &own, &[]);
        let broker = Self { supervisor, port, links };
        broker.run();
        broker
    }

    fn run(&self) {
        self.supervisor.start();
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        eventually_blocking(Duration::from_secs(90), "Kafka to accept connections", || {
            assert!(self.supervisor.is_running(), "Kafka ended at its start:\n{}", self.supervisor.log_tail());
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
    }
}

fn leader_in(metadata: &Metadata, topic: &str, partition: i32) -> Option<usize> {
    let topic = metadata.topics().iter().find(|found| found.name() == topic)?;
    let partition = topic.partitions().iter().find(|found| found.id() == partition)?;
    Some(usize::try_from(partition.leader()).ok()? - 1)
}
