//! PostgreSQL: the schema, and everything that is read from it or written to it.

pub mod migrate;
pub mod schema;
