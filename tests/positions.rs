//! The protocol of positions: nothing that a failover loses is lost for the rows or for segment-changed.

mod command;
mod model;
mod moved;
mod newest_revision;
mod start_table;
mod statement;
