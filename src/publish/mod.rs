//! TODO

pub mod handover;
pub mod leases;
pub mod output_schema;
pub mod publisher;
pub mod topic_revisions;
