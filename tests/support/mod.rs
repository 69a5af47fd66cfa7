//! What tests need of the world: a real Kafka, a real PostgreSQL, the real binary, and a way to wait on what they show.
//!
//! Servers start on first use and serve the whole run, on free ports and on data of their own; they and their data are
//! gone when the test process is gone, however it ends. `DATABASE_URL` and `KAFKA_BROKERS`, if set, name servers to use
//! instead.
#![allow(unused_imports, dead_code, reason = "a toolbox: not every tool is in use at every moment")]

mod certificates;
mod clock;
mod database;
mod door;
mod http;
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
mod topics;
mod wait;

pub use certificates::{Authority, certificates};
pub use clock::ShiftedClock;
pub use database::Database;
pub use door::Door;
pub use http::{Response, http, http_get};
pub use kafka::{Kafka, Life, Listener, SecuredKafka, kafka, secured_kafka};
pub use kafkajs::kafkajs_produce;
pub use pgbouncer::PgBouncer;
pub use postgres::{PASSWORD as POSTGRES_PASSWORD, Postgres, postgres};
pub use proxy::{Cut, Proxy};
pub use records::{OwnedRecord, Record, Transaction};
pub use registry::{SchemaRegistry, schema_registry};
pub use registry_gate::{Fault, RegistryGate};
pub use segmenter::{Finished, Segmenter, program, segmenter, segmenter_with_input};
pub use supervisor::{children_of, stat_fields};
pub use wait::{eventually, eventually_blocking, eventually_some};

/// A path of the source tree.
fn source(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
