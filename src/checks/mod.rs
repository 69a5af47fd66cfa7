//! Checks for operators. They read only, and each finding names its remedy.
//!
//! ```text
//! doctor      whether Kafka, PostgreSQL and this process are set up as the service needs them
//! positions   where each input partition stands, and where it would start
//! verify      whether rows, states and segment-changed agree
//! ```

pub mod doctor;
pub(crate) mod positions;
pub mod verify;
