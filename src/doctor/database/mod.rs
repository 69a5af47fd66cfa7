//! PostgreSQL: what is found of it, and the verdicts on that.
//!
//! - `gather`, `content`: the questions to the database · this file: what it answered
//! - `server`, `schema`, `rights`, `data`: the verdicts, pure

mod content;
mod data;
mod gather;
mod rights;
mod schema;
mod server;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use gather::gather;
pub use rights::Right;

use super::finding::{Answer, Check, Finding, Unreachable};
use crate::store::schema::{Platform, SchemaStatus};

/// What the configuration asks of PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// Connections of one process.
    pub connections: i64,
    pub application_name: String,
    /// How long one statement and one transaction may take.
    pub statement_timeout: Duration,
    pub transaction_deadline: Duration,
    /// Outbox rows from which on intake pauses.
    pub max_outbox_rows: i64,
    /// The catalog of this process; none if it cannot be read, which another check says.
    pub catalog_version: Option<i64>,
}

/// One database as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub server: Server,
    pub clock: Answer<Clock>,
    pub schema: Answer<SchemaStatus>,
    /// The columns of `public.user_vectors` with their types; empty where there is no such table.
    pub columns: Answer<Vec<(String, String)>>,
    pub indexes: Answer<Vec<Index>>,
    /// The triggers on the states: name, and whether it fires.
    pub triggers: Answer<Vec<(String, bool)>>,
    pub platform: Answer<Platform>,
    /// The rights that the role lacks.
    pub missing_rights: Answer<Vec<Right>>,
    pub connections: Answer<Connections>,
    pub outbox: Answer<Outbox>,
    /// The highest version of a catalog that scored a user; 0 where none did.
    pub newest_catalog: Answer<i64>,
    /// Users of whom a ranking was said and who have no row in `public.user_vectors`.
    pub states_without_rows: Answer<i64>,
}

/// Settings of the server and of our session on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// As `server_version_num`.
    pub version: i32,
    pub standby: bool,
    /// The version of TLS, if the connection has it.
    pub tls: Option<String>,
    pub role: String,
    pub superuser: bool,
    pub synchronous_commit: String,
    /// In force in a session that asked for ours; 0 is none.
    pub statement_timeout: Duration,
    /// Settings of the role or the database that end a transaction that takes too long; 0 is none.
    pub idle_in_transaction_timeout: Duration,
    pub transaction_timeout: Duration,
}

/// The server's clock against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// How far the server's is ahead, ms, taken in the middle of the question's round trip.
    pub ahead_ms: i64,
    /// By how much that may be wrong: half the round trip, ms.
    pub uncertain_ms: i64,
}

/// An index on `public.user_vectors` or on a table of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// As SQL writes it.
    pub name: String,
    /// Its table's name, without a schema.
    pub table: String,
    pub valid: bool,
    /// A unique index that begins with the same columns, which makes this one superfluous.
    pub repeats: Option<String>,
    /// Whether it serves `"primarySegment"` alone.
    pub on_primary_segment: bool,
}

/// How many connections there may be, and are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// For roles that are no superusers.
    pub most: i64,
    /// Those of all clients, but for this session.
    pub used: i64,
    /// Of them those of processes of ours.
    pub ours: i64,
    /// The role's or the database's own limit, whichever is lower; none: unlimited.
    pub own_limit: Option<i64>,
}

/// What waits to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    pub rows: i64,
    pub oldest: Duration,
}

const REACHABLE: Check = Check::database("reachable");

/// All verdicts.
pub fn judge(facts: &Result<Facts, Unreachable>, needs: &Needs) -> Vec<Finding> {
    let facts = match facts {
        Ok(facts) => facts,
        Err(Unreachable::Away(why)) => {
            return vec![REACHABLE.problem(
                format!("the database does not answer ({why}); nothing else of it could be checked."),
                "Look at the server and at database.url (`segmenter config show`).",
            )];
        }
        Err(Unreachable::Refused(why)) => {
            return vec![REACHABLE.problem(
                format!("the database refuses us ({why}); nothing else of it could be checked."),
                "Look at user, password and database name in database.url.",
            )];
        }
    };
    let mut findings = vec![REACHABLE.ok("it answers.")];
    for check in [
        server::version,
        server::tls,
        server::writable,
        server::clock,
        server::durability,
        server::timeouts,
        server::connections,
        schema::migrations,
        schema::columns,
        schema::indexes,
        schema::superfluous_indexes,
        schema::triggers,
        schema::users,
        rights::rights,
        rights::superuser,
        data::outbox,
        data::rows,
        data::catalog,
    ] {
        findings.extend(check(facts, needs));
    }
    findings
}
