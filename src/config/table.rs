//! The table of settings: each is declared here and nowhere else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::kafka::{
    Brokers, Encoding, InitialOffset, KafkaProperties, OutOfRange, SaslMechanism, SecurityProtocol, TopicName,
};
use super::reader::{Reader, Rules as _, Section};
use super::setting::{Setting, default, optional, required, settings};
use super::url::{DatabaseUrl, RegistryUrl};
use super::value::{Bytes, LogFilter, LogFormat, Name, Secret};

settings! {
    /// Which Kafka, and who we are to it.
    kafka: KafkaConfig {
        /// The bootstrap brokers, separated by commas (in the file also a list).
        brokers: Brokers = required().env("KAFKA_BROKERS"),
        /// How connections are secured.
        security_protocol: SecurityProtocol = default("plaintext").env("KAFKA_SECURITY_PROTOCOL"),
        /// How the client logs in; only with a `sasl_…` security protocol.
        sasl_mechanism: Option<SaslMechanism> = optional().env("KAFKA_SASL_MECHANISM"),
        /// The name the client logs in with.
        sasl_username: Option<Name> = optional().env("KAFKA_SASL_USERNAME"),
        /// The password the client logs in with.
        sasl_password: Option<Secret> = optional().env("KAFKA_SASL_PASSWORD"),
        /// A PEM file with the authorities whose brokers are trusted; without it the system's are.
        ssl_ca: Option<PathBuf> = optional().env("KAFKA_SSL_CA"),
        /// A PEM file with the client's certificate.
        ssl_certificate: Option<PathBuf> = optional().env("KAFKA_SSL_CERTIFICATE"),
        /// A PEM file with the client's private key.
        ssl_key: Option<PathBuf> = optional().env("KAFKA_SSL_KEY"),
        /// The password of the client's private key.
        ssl_key_password: Option<Secret> = optional().env("KAFKA_SSL_KEY_PASSWORD"),
        /// The name in the brokers' logs and quotas.
        client_id: Name = default("segmenter").env("SEGMENTER_CLIENT_ID"),
        /// The consumer group.
        group_id: Name = default("segmenter").env("SEGMENTER_GROUP_ID"),
        /// Where a group without committed offsets starts.
        initial_offset: InitialOffset = default("earliest"),
        /// What to do when a committed offset is no longer in its partition: `stop` ends the process, for records are lost.
        out_of_range: OutOfRange = default("stop"),
        /// How long the group waits for a silent process before its partitions go to another.
        session_timeout: Duration = default("45s").range("6s", "30m"),
        /// How long the consumer may go without polling before its partitions go to another.
        max_poll_interval: Duration = default("5m").range("10s", "1h"),
        /// How long a revoked partition or a stopping process may take to finish its work; less than the longest poll interval.
        drain_deadline: Duration = default("20s").range("1s", "10m"),
        /// Other librdkafka properties by name. Those that would break a promise, or have a setting here, are refused.
        properties: KafkaProperties = optional(),
    }
    /// The topics, all different.
    topics: TopicsConfig {
        /// Where onboardings are read.
        onboarding_completed: TopicName = default("onboarding-completed"),
        /// Where changes of profiles are read.
        profile_updated: TopicName = default("profile-updated"),
        /// Where ranking changes are published.
        segment_changed: TopicName = default("segment-changed"),
        /// How the values of records on segment-changed are written: `avro` is Confluent's framing where a registry is
        /// configured, else single-object encoding.
        segment_changed_encoding: Encoding = default("json"),
        /// Where records go that cannot be applied.
        dead_letter: TopicName = default("segmenter-dead-letter"),
    }
    /// The schema registry, with Confluent's API, for Avro that names a schema of it.
    registry: RegistryConfig {
        /// Where its API begins. Without it, records that name a schema of a registry are dead letters.
        url: Option<RegistryUrl> = optional().env("SCHEMA_REGISTRY_URL"),
        /// The name the client logs in with (HTTP Basic).
        username: Option<Name> = optional().env("SCHEMA_REGISTRY_USERNAME"),
        /// The password the client logs in with.
        password: Option<Secret> = optional().env("SCHEMA_REGISTRY_PASSWORD"),
        /// A PEM file with the authorities that are trusted for `https`; without it the system's are.
        ca: Option<PathBuf> = optional().env("SCHEMA_REGISTRY_CA"),
        /// How long one answer may take; a later one counts as none.
        timeout: Duration = default("5s").range("100ms", "1m"),
    }
    /// Which PostgreSQL, and how it is used.
    database: DatabaseConfig {
        /// The database with user and password. Prisma's own parameters (`schema=public`, its pool and timeouts) are ignored.
        url: DatabaseUrl = required().env("DATABASE_URL"),
        /// Connections for folds: as many transactions run at once.
        connections: u32 = default("3").range("1", "100"),
        /// How long one statement may run.
        statement_timeout: Duration = default("30s").range("100ms", "10m"),
        /// How long connecting may take.
        connect_timeout: Duration = default("10s").range("100ms", "5m"),
        /// Whether the URL leads to a pooler in transaction mode, as PgBouncer's. Statements are then not prepared, which
        /// costs speed. `migrate` and `doctor` need a URL of the database itself.
        pooled: bool = default("false"),
        /// The name in `pg_stat_activity`.
        application_name: Name = default("segmenter"),
        /// Migrate the database before serving.
        migrate: bool = default("false").flag("migrate"),
    }
    /// How much one transaction folds.
    batch: BatchConfig {
        /// The most records.
        max_records: u32 = default("500").range("1", "100000"),
        /// The most bytes of keys and values.
        max_bytes: Bytes = default("4MiB").range("64KiB", "256MiB"),
        /// How long to wait for a fuller batch; with 0 what arrived during one transaction is the next batch.
        max_wait: Duration = default("0ms").range("0", "10s"),
    }
    /// How much may be read and not yet finished; beyond it the consumer pauses.
    in_flight: InFlightConfig {
        /// The most records.
        max_records: u32 = default("5000").range("1", "10000000"),
        /// The most bytes of keys and values.
        max_bytes: Bytes = default("64MiB").range("64KiB", "8GiB"),
    }
    /// What a record may be, and when many bad ones stop the process.
    limits: LimitsConfig {
        /// The longest value of a record; a longer one is a dead letter.
        max_value_bytes: Bytes = default("1MiB").range("1KiB", "64MiB"),
        /// How far an event may be dated after its own record; one that is later is a dead letter.
        max_future: Duration = default("5m").range("0", "1d"),
        /// How many rejected records in a row of a partition stop the process.
        max_consecutive_rejections: u32 = default("200").range("1", "100000"),
        /// How many bytes of rejected records in a row are held back before the process stops.
        max_consecutive_rejection_bytes: Bytes = default("64MiB").range("64KiB", "8GiB"),
    }
    /// Changes that are committed and not yet published.
    outbox: OutboxConfig {
        /// How long a process has a row of the outbox to itself before another may take it over.
        lease: Duration = default("30s").range("15s", "10m"),
        /// How many rows may wait before no more records are taken in.
        max_depth: u32 = default("10000").range("1", "10000000"),
    }
    /// The HTTP server for metrics and health.
    http: HttpConfig {
        /// Where it listens; port 0 takes a free one, which the log names.
        addr: SocketAddr = default("0.0.0.0:8080"),
        /// The bearer token with which `/v1/users` may be read; without it, and without `http.allow_anonymous`, it is closed.
        token: Option<Secret> = optional(),
        /// Let everyone that reaches the port read `/v1/users`.
        allow_anonymous: bool = default("false"),
        /// Show the look-up of users on the page, at `/users`, to those who may read `/v1/users`; without it there is no such page.
        user_page: bool = default("false"),
    }
    /// The segments and their weights.
    catalog: CatalogConfig {
        /// A TOML file in the place of the catalog that is compiled in.
        file: Option<PathBuf> = optional(),
    }
    /// What is logged, to standard error.
    log: LogConfig {
        /// A level, or directives such as `info,segmenter::kafka=debug,librdkafka=warn`.
        filter: LogFilter = default("info"),
        /// How it looks; without it `pretty` on a terminal, else `json`.
        format: Option<LogFormat> = optional(),
    }
}
