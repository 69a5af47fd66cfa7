//! Checks for operators. They read only, and each finding names its remedy.
//!
//! ```text
//! found       findings with the commands that follow, as every command reports them
//! doctor      whether Kafka, PostgreSQL and this process are set up as the service needs them
//! positions   where each input partition stands, and where it would start
//! reasons     the reasons of rejections as findings
//! simulate    the segments that another catalog would give
//! verify      whether rows, states and segment-changed agree
//! ```

pub mod doctor;
pub(crate) mod found;
pub(crate) mod positions;
pub(crate) mod reasons;
pub(crate) mod simulate;
pub mod verify;
