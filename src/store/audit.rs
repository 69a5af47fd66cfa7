//! `segmenter.audit`: which operator did what, when. Written in the transaction of the act.
//!
//! Time and database role are the server's: a role with the rights of `docs/grants_jobs.sql` cannot write others, nor change
//! an entry. An entry holds no user's id, only its hash.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

use super::error::StoreError;
use super::sql::{self, Pool, Statement};
use crate::domain::event::Millis;

/// Whose acts the entries are, besides the role of the database.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The host of this process.
    host: String,
    /// The name that the operator gave (`jobs.operator`).
    name: Option<String>,
}

impl Operator {
    /// An operator on this host.
    pub fn here(name: Option<String>) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        Self { host: host.as_deref().map_or("unknown", str::trim).to_owned(), name }
    }
}

/// An act of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Started a job with --execute.
    Start,
    Pause,
    Resume,
    Cancel,
    Throttle,
    /// Erased a user.
    Erase,
    /// Deleted the positions of a group.
    ForgetPositions,
    /// Reverted a migration.
    Revert,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Throttle => "throttle",
            Self::Erase => "erase",
            Self::ForgetPositions => "forget positions",
            Self::Revert => "revert",
        }
    }
}

/// An act to record.
#[derive(Debug, Clone)]
pub struct Entry {
    pub operator: Operator,
    pub act: Act,
    /// An object, without personal data; a user by [`hashed`].
    pub arguments: Value,
}

const WRITE: &str = "insert into segmenter.audit (act, host, operator, arguments) values ($1, $2, $3, $4)";

impl Entry {
    fn bind(&self, statement: Statement) -> Statement {
        statement
            .bind(self.act.as_str())
            .bind(self.operator.host.clone())
            .bind(self.operator.name.clone())
            .bind(self.arguments.clone())
    }

    /// Records the act: part of its transaction.
    ///
    /// # Errors
    /// The database is unavailable, or the role may not write it.
    pub async fn write(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        self.bind(sql::query(WRITE)).execute(connection).await?;
        Ok(())
    }
}

/// The SHA-256 of a user's id in hexadecimal: who knows the id finds its entries, and no one else learns it.
pub fn hashed(user: impl AsRef<[u8]>) -> String {
    let mut hash = String::with_capacity(64);
    for byte in Sha256::digest(user) {
        // Writing to a string does not fail.
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

/// A recorded act.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    pub at: String,
    /// The database role of the session.
    pub role: String,
    pub operator: Option<String>,
    pub host: String,
    pub act: String,
    pub arguments: Value,
}

/// The last `limit` acts, the newest first.
///
/// # Errors
/// The database is unavailable.
pub async fn newest(pool: &Pool, limit: u32) -> Result<Vec<Recorded>, StoreError> {
    let acts = pool.query_as(
        "select floor(extract(epoch from at) * 1000)::bigint as at, role, operator, host, act, arguments
           from segmenter.audit order by id desc limit $1",
    );
    pool.fetch_all(acts.bind(i64::from(limit))).await
}

impl<'r> FromRow<'r, PgRow> for Recorded {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            at: Millis(row.try_get("at")?).to_string(),
            role: row.try_get("role")?,
            operator: row.try_get("operator")?,
            host: row.try_get("host")?,
            act: row.try_get("act")?,
            arguments: row.try_get("arguments")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_recorded_by_the_hash_of_the_id() {
        assert_eq!(hashed("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
