//! Checks for operators. They read only, and each finding names its remedy.
//!
//! ```text
//! doctor      whether Kafka, PostgreSQL and this process are set up as the service needs them
//! positions   where each input partition stands, and where it would start
//! simulate    the segments that another catalog would give
//! verify      whether rows, states and segment-changed agree
//! ```

pub mod doctor;
pub(crate) mod positions;
pub(crate) mod simulate;
pub mod verify;
