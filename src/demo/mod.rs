//! The demo: the service as it is, between a Kafka broker in the process and a throw-away PostgreSQL, with synthetic
//! travellers as its input.
//!
//! ```text
//! script, travellers, random   what happens, decided by a seed            pure
//! scratch                      a temporary folder with PostgreSQL in it, gone with the process
//! feed                         script → input topics, never far ahead of the service
//! observer                     segment-changed and dead letters, as a consumer reads them
//! report, screen               what is told, and how it is laid out
//! ```

pub mod feed;
pub mod observer;
pub mod random;
pub mod report;
pub mod scratch;
pub mod screen;
pub mod script;
mod stage;
pub mod travellers;

pub use stage::{Options, run};
