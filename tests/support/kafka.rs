//! A real Kafka broker: the server itself. `records` and `topics` hold the client side.

mod cluster;
mod secured;
mod tokens;

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::FutureProducer;

use super::ports::free_port;
use super::supervisor::{Children, Supervisor};
use super::wait::eventually_blocking;
pub use cluster::{BROKERS, KafkaCluster};
pub use secured::{Listener, SecuredKafka, secured_kafka};
pub use tokens::TokenKafka;

const PROPERTIES: &str = include_str!("kafka/server.properties");

/// Any 16 bytes in base64: the clusters of a run are not connected.
const CLUSTER_ID: &str = "c2VnbWVudGVyLXRlc3RzIQ";

/// Long enough for a fully loaded machine.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A broker: the shared one of the run, or a dedicated one that a test may kill.
pub struct Kafka {
    brokers: String,
    own: Option<Supervisor>,
    /// The replicas of the topics that it creates.
    pub(super) replicas: i32,
    /// Created on first use and kept: a new idempotent producer waits half a second for its producer id.
    pub(super) producer: OnceLock<FutureProducer>,
}

/// The broker that all tests share: the one that `KAFKA_BROKERS` names, else one started on first use.
pub fn kafka() -> &'static Kafka {
    static SHARED: OnceLock<Kafka> = OnceLock::new();
    SHARED.get_or_init(|| match std::env::var("KAFKA_BROKERS") {
        Ok(brokers) => Kafka::at(brokers, None),
        Err(_) => Kafka::start_new(Life::Short),
    })
}

impl Kafka {
    /// A dedicated broker, which the test may kill and pause. Stopped when dropped.
    pub async fn dedicated() -> Self {
        Self::with_life(Life::Short).await
    }

    /// [`Self::dedicated`], for a short or a long run.
    pub async fn with_life(life: Life) -> Self {
        tokio::task::spawn_blocking(move || Self::start_new(life)).await.expect("the broker starts")
    }

    /// The broker's process id.
    pub fn pid(&self) -> u32 {
        self.own().pid().expect("the broker was started")
    }

    /// For the binary's `KAFKA_BROKERS`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Kills the broker (SIGKILL). Its data stays.
    pub fn kill(&self) {
        self.own().stop("KILL");
    }

    /// Starts the broker again after [`Self::kill`], on the same data and port; returns when it is ready.
    pub fn start(&self) {
        let supervisor = self.own();
        supervisor.start();
        eventually_blocking(Duration::from_secs(90), "Kafka to accept connections", || {
            assert!(supervisor.is_running(), "Kafka ended at its start:\n{}", supervisor.log_tail());
            TcpStream::connect(&self.brokers).is_ok()
        });
        let client: BaseConsumer = self.client().create().expect("a valid client");
        eventually_blocking(Duration::from_secs(60), "Kafka to know of its broker", || {
            client.fetch_metadata(None, Duration::from_secs(5)).is_ok_and(|metadata| !metadata.brokers().is_empty())
        });
    }

    /// Pauses the broker (SIGSTOP): connections stay open and unanswered.
    pub fn pause(&self) {
        self.own().signal("STOP", Children::No);
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.own().signal("CONT", Children::No);
    }

    /// A dedicated broker on which groups have the classic protocol alone, as on those before Kafka 4.
    pub async fn with_the_classic_protocol() -> Self {
        let properties = || "group.coordinator.rebalance.protocols=classic\n".to_owned();
        let start =
            move || Self::start_with(Life::Short, &[], |_| Extra { properties: properties(), ..Extra::default() });
        tokio::task::spawn_blocking(start).await.expect("the broker starts")
    }

    /// Moves or deletes offsets of a group with Kafka's own tool, `kafka-consumer-groups.sh`; the group must have no member.
    pub async fn consumer_groups(&self, group: &str, arguments: &[&str]) {
        let mut tool = Command::new("java");
        tool.args(Life::Short.options()).args(class_path());
        let package = if is_before([3, 8]) { "kafka.admin" } else { "org.apache.kafka.tools.consumer.group" };
        tool.arg(format!("{package}.ConsumerGroupCommand"));
        tool.args(["--bootstrap-server", self.brokers(), "--group", group]).args(arguments);
        let run = move || tool.output().expect("java runs");
        let output = tokio::task::spawn_blocking(run).await.expect("the tool ends");
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("");
        assert!(output.status.success() && !printed.contains("Error"), "Kafka's tool failed: {printed}");
    }

    /// The first position of these bytes in the log of a partition whose records are all in its first segment.
    pub fn find_in_log(&self, topic: &str, partition: i32, bytes: &[u8]) -> u64 {
        let log = std::fs::read(self.log_of(topic, partition)).expect("the partition has a log");
        let place = log.windows(bytes.len()).position(|found| found == bytes);
        place.expect("the bytes are in the log").try_into().expect("a short log")
    }

    /// Overwrites bytes of a partition's log, as a broken disk would; returns the previous ones.
    pub fn overwrite_log(&self, topic: &str, partition: i32, place: u64, bytes: &[u8]) -> Vec<u8> {
        let log = File::options().read(true).write(true).open(self.log_of(topic, partition));
        let log = log.expect("the partition has a log");
        let mut before = vec![0; bytes.len()];
        log.read_exact_at(&mut before, place).expect("the log is that long");
        log.write_all_at(bytes, place).expect("the log can be written to");
        before
    }

    fn log_of(&self, topic: &str, partition: i32) -> PathBuf {
        self.own().folder().join(format!("data/{topic}-{partition}/{:020}.log", 0))
    }

    /// A client's configuration for this broker. It logs emergencies only, so that an outage in a test does not fill its output.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("broker.address.family", "v4");
        config.set("reconnect.backoff.max.ms", "500").set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    fn at(brokers: String, own: Option<Supervisor>) -> Self {
        Self { brokers, own, replicas: 1, producer: OnceLock::new() }
    }

    fn own(&self) -> &Supervisor {
        self.own.as_ref().expect("a broker that KAFKA_BROKERS names is not ours to kill")
    }

    fn start_new(life: Life) -> Self {
        Self::start_with(life, &[], |_| Extra::default())
    }

    /// Starts a broker with these options of its JVM, and the extra listeners and properties of `extra`, given its folder.
    fn start_with(life: Life, options: &[String], extra: impl FnOnce(&Path) -> Extra) -> Self {
        let (port, controller_port) = (free_port(), free_port());
        let supervisor = server(life, options);
        let Extra { listeners, properties, format } = extra(supervisor.folder());
        let listeners: String = listeners.iter().map(|listener| format!(",{listener}")).collect();
        let own = format!(
            "{properties}\ncontroller.quorum.voters=1@127.0.0.1:{controller_port}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{listeners}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listeners}\n"
        );
        format_storage(supervisor.folder(), &own, &format);
        let kafka = Self::at(format!("127.0.0.1:{port}"), Some(supervisor));
        kafka.start();
        kafka
    }
}

/// The broker's process, not started; its properties are in its folder.
fn server(life: Life, options: &[String]) -> Supervisor {
    Supervisor::new("KILL", |folder| {
        let mut command_line = vec!["java".into()];
        command_line.extend(life.options());
        command_line.extend(options.iter().map(Into::into));
        command_line.extend(class_path());
        let log = super::source("tests/support/kafka/log4j2.properties");
        command_line.push(format!("-Dlog4j2.configurationFile={}", log.display()).into());
        command_line.extend(["kafka.Kafka".into(), folder.join("server.properties").into()]);
        command_line
    })
}

/// The folder of Kafka's jars: the one that `KAFKA_LIBS` names, else that of the version in `pom.xml`.
fn jars() -> PathBuf {
    let jars = std::env::var_os("KAFKA_LIBS").map_or_else(|| super::source("target/kafka/libs"), PathBuf::from);
    assert!(jars.is_dir(), "Kafka's jars are missing in {}: `make setup` fetches them", jars.display());
    jars
}

/// Whether Kafka, by the name of a jar, is older than this version.
pub(super) fn is_before(major_and_minor: [u32; 2]) -> bool {
    let files = std::fs::read_dir(jars()).expect("the folder is readable");
    let version = |file: std::io::Result<std::fs::DirEntry>| {
        let name = file.ok()?.file_name().into_string().ok()?;
        let mut numbers = name.strip_prefix("kafka-clients-")?.split('.').map_while(|number| number.parse().ok());
        Some([numbers.next()?, numbers.next()?])
    };
    files.filter_map(version).next().expect("a jar of Kafka's clients") < major_and_minor
}

/// The tuning of the JVM.
#[derive(Clone, Copy)]
pub enum Life {
    /// For seconds on shared cores: no C2 compiler, the serial collector.
    Short,
    /// For minutes under load, as in production.
    Long,
    /// [`Self::Short`], with little memory: one of several brokers.
    Member,
}

impl Life {
    fn options(self) -> Vec<OsString> {
        let options: &[&str] = match self {
            Self::Short => &["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
            Self::Long => &["-Xms1g", "-Xmx1g"],
            Self::Member => &["-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
        };
        options.iter().map(Into::into).collect()
    }
}

fn class_path() -> [OsString; 2] {
    ["-cp".into(), format!("{}/*", jars().display()).into()]
}

/// Listeners and settings beside the plaintext listener that every broker has.
#[derive(Default)]
struct Extra {
    /// Each as `NAME://host:port`, bound and advertised.
    listeners: Vec<String>,
    properties: String,
    /// Arguments of the storage tool's `format`.
    format: Vec<String>,
}

/// Writes the broker's properties, the common ones and its `own`, and formats its storage.
fn format_storage(folder: &Path, own: &str, arguments: &[String]) {
    let properties = folder.join("server.properties");
    let all = format!("{PROPERTIES}\n{own}\nlog.dirs={}\n", folder.join("data").display());
    std::fs::write(&properties, all).expect("the folder is writable");
    let output = Command::new("java")
        .args(Life::Short.options())
        .args(class_path())
        .args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "-c"])
        .arg(&properties)
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("java runs");
    assert!(
        output.status.success(),
        "Kafka's storage cannot be formatted: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
