//! Checks for operators. They read only, and each finding names its remedy.
//!
//! ```text
//! doctor   whether Kafka, PostgreSQL and this process are set up as the service needs them
//! verify   whether rows, states and segment-changed agree
//! ```

pub mod doctor;
pub mod verify;
