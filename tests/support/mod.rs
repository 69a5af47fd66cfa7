//! The environment of tests: a real Kafka, a real PostgreSQL, a schema registry, the real binary, and waiting on their state.
//!
//! Servers start on first use and serve the whole run, on free ports and on data of their own. They and their data are removed
//! when the test process ends, even if it is killed. `DATABASE_URL` and `KAFKA_BROKERS`, if set, name servers to use instead.
//!
//! PostgreSQL is the one in `PATH`, else Debian's. Kafka is the one whose jars are in `KAFKA_LIBS`, else that of `kafka/pom.xml`.
//! `GROUP_PROTOCOL=consumer` has the processes of every scene use that group protocol.
//!
//! ```text
//! kafka          a broker, shared or dedicated, one with TLS and SASL, and a cluster of three
//! topics         creating topics, watermarks, committed offsets
//! records        producing and reading records
//! kafkajs        producing with KafkaJS, as the platform does; a leader of a group that is another program
//! postgres       a PostgreSQL server, shared or dedicated; standbys and backups of it
//! database       a database of one test
//! pgbouncer      a pooler in transaction mode
//! registry       a schema registry
//! identity_provider  an identity provider of OpenID
//! segmenter      the binary as a child process
//! api_server     a Kubernetes API server
//! supervisor     server processes that do not outlive the tests
//! terminal       the binary on a terminal
//! ports          free ports
//! proxy          a proxy that cuts, delays, swallows and switches servers
//! door           a TCP proxy that counts connections and serves TLS
//! registry_gate  a registry proxy with faults
//! certificates   certificates of one run
//! clock          a wall clock that a test moves
//! history        a checker of the records that recommenders observe
//! http           an HTTP client
//! wait           waiting on observed state
//! ```
#![allow(unused_imports, dead_code, reason = "shared helpers: not every one is always in use")]

mod api_server;
mod certificates;
mod clock;
mod database;
mod door;
pub mod history;
mod http;
mod identity_provider;
mod kafka;
mod kafkajs;
mod pgbouncer;
mod ports;
mod postgres;
mod proxy;
mod records;
mod registry;
mod registry_gate;
mod segmenter;
mod supervisor;
mod terminal;
mod topics;
mod wait;

pub use api_server::ApiServer;
pub use certificates::{Authority, Signed, certificates};
pub use clock::ShiftedClock;
pub use database::Database;
pub use door::Door;
pub use http::{Response, http, http_get};
pub use identity_provider::IdentityProvider;
pub use kafka::{BROKERS, Kafka, KafkaCluster, Life, Listener, SecuredKafka, TokenKafka, kafka, secured_kafka};
pub use kafkajs::{kafkajs_leader, kafkajs_produce};
pub use pgbouncer::PgBouncer;
pub use postgres::{PASSWORD as POSTGRES_PASSWORD, Postgres, postgres};
pub use proxy::{Connections, Cut, Proxy};
pub use records::{OwnedRecord, Record, Transaction};
pub use registry::{SchemaRegistry, schema_registry};
pub use registry_gate::{Fault, RegistryGate};
pub use segmenter::{Finished, Segmenter, program, segmenter, segmenter_with_input};
pub use supervisor::{children_of, stat_fields};
pub use terminal::{frames, on_a_terminal};
pub use wait::{eventually, eventually_blocking, eventually_some};

/// A path of the source tree.
pub fn source(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
