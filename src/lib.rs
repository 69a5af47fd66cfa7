//! Keeps travellers' segments: Kafka events in, `user_vectors` rows in PostgreSQL and changes on `segment-changed` out.
//!
//! The rooms of the program lie along the road of an event, and each names only those below it:
//!
//! ```text
//! cli                    one file a command
//! service                `serve` put together: poll → decode → dispatch → fold → write → publish, and the offset commit
//! http                   health, metrics, read API, status page
//! jobs, checks, users    replay, backfill, recompute, republish, redrive · verify, doctor, simulate · show, explain, erase
//! output                 writer, publisher and dead letters put together
//! ingest                 Kafka in: consumer, offset tracker, dispatcher, workers
//! publish                Kafka out: publisher, leases
//! migrate                migrations, preconditions, revert
//! store                  PostgreSQL: one transaction for states, user_vectors and outbox
//! kafka, registry        client settings, headers, look-ups · the schema registry's client
//! identity               tokens by which this process identifies itself
//! telemetry              logs, metrics, traces
//! config                 settings, their sources, their rules
//! runtime                stop, retry, health, exit codes
//! codec                  bytes ↔ domain                                  pure
//! domain                 events × state → outcomes, state, row, change   pure
//! ```
//!
//! `docs/architecture.md` has the road, the words and the reasons.

pub mod checks;
pub mod cli;
pub mod codec;
pub mod config;
pub mod domain;
pub mod http;
pub mod identity;
pub mod ingest;
pub mod jobs;
pub mod kafka;
pub mod migrate;
pub mod output;
pub mod publish;
pub mod registry;
pub mod runtime;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod users;
