//! The table of settings: each is declared here and nowhere else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::kafka::{
    Brokers, Encoding, GroupProtocol, InitialOffset, KafkaProperties, OutOfRange, SaslMechanism, SecurityProtocol,
    TopicName,
};
use super::reader::{Reader, Rules as _, Section};
use super::setting::{Setting, default, optional, required, settings};
use super::url::{DatabaseUrl, HttpUrl};
use super::value::{Bytes, LogFilter, LogFormat, Name, Percent, Secret};

settings! {
    /// The Kafka cluster and this client's identity.
    kafka: KafkaConfig {
        /// The bootstrap brokers, separated by commas (in the file a list is accepted too).
        brokers: Brokers = required().env("KAFKA_BROKERS"),
        /// How connections are secured.
        security_protocol: SecurityProtocol = default("plaintext").env("KAFKA_SECURITY_PROTOCOL"),
        /// The SASL mechanism; only with a `sasl_…` security protocol.
        sasl_mechanism: Option<SaslMechanism> = optional().env("KAFKA_SASL_MECHANISM"),
        /// The SASL user name; with `OAUTHBEARER` the client id at the identity provider.
        sasl_username: Option<Name> = optional().env("KAFKA_SASL_USERNAME"),
        /// The SASL password; with `OAUTHBEARER` the client's secret, read anew for every token where it stands in a file.
        sasl_password: Option<Secret> = optional().env("KAFKA_SASL_PASSWORD"),
        /// The identity provider's token endpoint (OAuth 2.0 client credentials); with `OAUTHBEARER`.
        sasl_oauth_token_url: Option<HttpUrl> = optional().env("KAFKA_SASL_OAUTH_TOKEN_URL"),
        /// The scope of the requested tokens.
        sasl_oauth_scope: Option<Name> = optional().env("KAFKA_SASL_OAUTH_SCOPE"),
        /// A PEM file with the trusted certificate authorities of the identity provider; the system's by default.
        sasl_oauth_ca: Option<PathBuf> = optional().env("KAFKA_SASL_OAUTH_CA"),
        /// A PEM file with the trusted certificate authorities of the brokers; the system's by default.
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
        /// The protocol of the group: with `consumer` (KIP-848) the brokers assign the partitions; it needs Kafka 4.0 or newer.
        /// The processes of a group can be changed over one by one.
        group_protocol: GroupProtocol = default("classic"),
        /// The start position of a group without committed offsets.
        initial_offset: InitialOffset = default("earliest"),
        /// The policy for a committed offset that is no longer in its partition: `stop` ends the process, since records are lost;
        /// the others go on at that end of the partition.
        out_of_range: OutOfRange = default("stop"),
        /// How long the group waits for a process without heartbeats before it reassigns the partitions. Not with the group
        /// protocol `consumer`: there the brokers' `group.consumer.session.timeout.ms` decides.
        session_timeout: Duration = default("45s").range("6s", "30m"),
        /// How long the consumer may go without polling before its partitions are reassigned.
        max_poll_interval: Duration = default("5m").range("10s", "1h"),
        /// How long a revoked partition or a stopping process may drain; less than `kafka.max_poll_interval`.
        drain_deadline: Duration = default("20s").range("1s", "10m"),
        /// Other librdkafka properties by name. Properties that would break a promise, or have a setting here, are refused.
        properties: KafkaProperties = optional(),
    }
    /// The topics, all different.
    topics: TopicsConfig {
        /// The input topic of onboardings.
        onboarding_completed: TopicName = default("onboarding-completed"),
        /// The input topic of profile updates.
        profile_updated: TopicName = default("profile-updated"),
        /// The output topic of ranking changes.
        segment_changed: TopicName = default("segment-changed"),
        /// The encoding of values on segment-changed: `avro` is Confluent's framing where a registry is
        /// configured, else single-object encoding.
        segment_changed_encoding: Encoding = default("json"),
        /// The topic of dead letters: rejected records.
        dead_letter: TopicName = default("segmenter-dead-letter"),
    }
    /// The schema registry, with Confluent's API, for Avro whose schema is registered there.
    registry: RegistryConfig {
        /// The base URL of its API. Without it, records that name a registered schema are dead letters.
        url: Option<HttpUrl> = optional().env("SCHEMA_REGISTRY_URL"),
        /// The user name (HTTP Basic); with `registry.oauth_token_url` the client id at the identity provider.
        username: Option<Name> = optional().env("SCHEMA_REGISTRY_USERNAME"),
        /// The password (HTTP Basic), or the client's secret; read anew for every request where it stands in a file.
        password: Option<Secret> = optional().env("SCHEMA_REGISTRY_PASSWORD"),
        /// A bearer token, read anew for every request where it stands in a file.
        token: Option<Secret> = optional().env("SCHEMA_REGISTRY_TOKEN"),
        /// The identity provider's token endpoint (OAuth 2.0 client credentials), for bearer tokens that are renewed.
        oauth_token_url: Option<HttpUrl> = optional().env("SCHEMA_REGISTRY_OAUTH_TOKEN_URL"),
        /// The scope of the requested tokens.
        oauth_scope: Option<Name> = optional().env("SCHEMA_REGISTRY_OAUTH_SCOPE"),
        /// A PEM file with the trusted certificate authorities of the identity provider; the system's by default.
        oauth_ca: Option<PathBuf> = optional().env("SCHEMA_REGISTRY_OAUTH_CA"),
        /// A PEM file with the trusted certificate authorities for `https`; the system's by default.
        ca: Option<PathBuf> = optional().env("SCHEMA_REGISTRY_CA"),
        /// A PEM file with the client's certificate, read anew for every request.
        certificate: Option<PathBuf> = optional().env("SCHEMA_REGISTRY_CERTIFICATE"),
        /// A PEM file with the client's private key, read anew for every request.
        key: Option<PathBuf> = optional().env("SCHEMA_REGISTRY_KEY"),
        /// The deadline of a request; a later answer does not count.
        timeout: Duration = default("5s").range("100ms", "1m"),
    }
    /// PostgreSQL, and its use.
    database: DatabaseConfig {
        /// The URL of the database, with user and password. Prisma's own parameters (`schema=public`, its pool and timeouts) are ignored.
        url: DatabaseUrl = required().env("DATABASE_URL"),
        /// Connections for folds; the number of concurrent transactions.
        connections: u32 = default("3").range("1", "100"),
        /// The deadline of a statement.
        statement_timeout: Duration = default("30s").range("100ms", "10m"),
        /// The deadline of a connection attempt.
        connect_timeout: Duration = default("10s").range("100ms", "5m"),
        /// The URL is that of a pooler in transaction mode, such as PgBouncer. Statements are then not prepared, which
        /// costs throughput. `migrate` and `doctor` need the URL of the database itself.
        pooled: bool = default("false"),
        /// The name in `pg_stat_activity`.
        application_name: Name = default("segmenter"),
        /// Migrate the database before serving.
        migrate: bool = default("false").flag("migrate"),
    }
    /// The size of a batch, which one transaction writes.
    batch: BatchConfig {
        /// The most records.
        max_records: u32 = default("500").range("1", "100000"),
        /// The most bytes of keys and values.
        max_bytes: Bytes = default("4MiB").range("64KiB", "256MiB"),
        /// How long to wait for a fuller batch; with 0 the records that arrived during a transaction are the next batch.
        max_wait: Duration = default("0ms").range("0", "10s"),
    }
    /// The bound of records in flight: polled and not committable yet; beyond it the consumer pauses.
    in_flight: InFlightConfig {
        /// The most records that are not finished; of one partition, twice as many may wait to be committable.
        max_records: u32 = default("5000").range("1", "10000000"),
        /// The most bytes of keys, values and headers of records that are not finished.
        max_bytes: Bytes = default("64MiB").range("64KiB", "8GiB"),
    }
    /// Limits of a record, and of a rejection run before it is a poison flood that stops the process.
    limits: LimitsConfig {
        /// The longest value of a record; a longer one is a dead letter.
        max_value_bytes: Bytes = default("1MiB").range("1KiB", "64MiB"),
        /// How far an event may be dated after its own record; a later one is a dead letter.
        max_future: Duration = default("5m").range("0", "1d"),
        /// The number of consecutive rejected records of a partition that stops the process.
        max_consecutive_rejections: u32 = default("200").range("1", "100000"),
        /// The bytes of consecutive rejected records of a partition that stop the process; they are held in memory.
        max_consecutive_rejection_bytes: Bytes = default("64MiB").range("64KiB", "8GiB"),
    }
    /// Changes that are committed and not yet published.
    outbox: OutboxConfig {
        /// How long a process holds an outbox row before another process may take it over.
        lease: Duration = default("30s").range("15s", "10m"),
        /// The number of outbox rows at which intake pauses.
        max_depth: u32 = default("10000").range("1", "10000000"),
    }
    /// Jobs, and the audit of what operators do.
    jobs: JobsConfig {
        /// How long ended jobs stay listed, with their lists of users and the users that failed; `serve` deletes older ones.
        retention: Duration = default("90d").range("1h", "3650d"),
        /// The name of the operator; it is recorded beside role and host of an act (`segmenter job history`).
        operator: Option<Name> = optional().env("SEGMENTER_OPERATOR"),
    }
    /// The HTTP server: page, health, metrics, read API.
    http: HttpConfig {
        /// The listen address; port 0 takes a free port, which the log names.
        addr: SocketAddr = default("0.0.0.0:8080"),
        /// A PEM file with the server's certificate and those between it and its authority, read anew for every connection; without
        /// it there is no TLS.
        certificate: Option<PathBuf> = optional(),
        /// A PEM file with the private key of the server's certificate, read anew for every connection.
        key: Option<PathBuf> = optional(),
        /// The bearer token for `/v1/users`, read anew for every request where it stands in a file; without it, and without
        /// `http.allow_anonymous`, `/v1/users` is closed.
        token: Option<Secret> = optional(),
        /// Open `/v1/users` to every client that reaches the port.
        allow_anonymous: bool = default("false"),
        /// Serve the look-up of users at `/users`, with the access of `/v1/users`; without it the page does not exist.
        user_page: bool = default("false"),
    }
    /// The catalog of segments.
    catalog: CatalogConfig {
        /// A TOML file that replaces the built-in catalog.
        file: Option<PathBuf> = optional(),
        /// The share of users that `recompute --execute` may move to another primary segment without `--accept-shift`.
        max_shift: Percent = default("20%"),
    }
    /// The log, on standard error.
    log: LogConfig {
        /// A level, or directives such as `info,segmenter::kafka=debug,librdkafka=warn`.
        filter: LogFilter = default("info"),
        /// The format; by default `pretty` on a terminal, else `json`.
        format: Option<LogFormat> = optional(),
    }
}
