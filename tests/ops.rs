//! Deployment and operations, tested by `make test-ops`: its servers and tools are heavier than those of `make test`.

mod alerts;
#[cfg(feature = "otlp")]
mod collector;
mod compose;
mod container;
mod contracts;
mod custom_resources;
mod dashboard;
mod durability;
mod kafka_tls;
mod kafka_tokens;
mod manifests;
mod operator;
mod page;
mod pods;
mod pooler;
mod postgres_tls;
mod registry;
mod roles;
mod setting_names;
mod systemd;
pub mod tools;
mod topics;
#[cfg(feature = "otlp")]
mod traces;
mod workflows;
