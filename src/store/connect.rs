//! How this process connects to the database, and what its sessions may keep.
//!
//! A pooler in transaction mode gives each transaction another server session, so no session may keep anything: statements are
//! not prepared by name, each runs within a transaction, and each transaction makes its settings.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, Row as _};

use super::error::StoreError;
use super::history::{History, history};
use crate::config::DatabaseUrl;

/// How long a transaction may take before its connection is closed: one and a half times the statement timeout, for the round
/// trips. PostgreSQL ends a slow statement by itself; this deadline is for a database that is silent.
pub(crate) fn transaction_deadline(statement_timeout: Duration) -> Duration {
    statement_timeout + statement_timeout / 2
}

/// The statement by which commits wait for the server's disk where it has `synchronous_commit = off`, in this transaction or in
/// the whole session; any other value stays. Without it, a crash of one of the server's processes loses commits while the
/// postmaster, whose start positions go by, lives on.
pub(super) fn wait_for_disk(in_transaction: bool) -> String {
    format!(
        "select set_config('synchronous_commit', 'local', {in_transaction}) where current_setting('synchronous_commit') = 'off'"
    )
}

/// The server closes a session whose client has vanished without a word within half a minute, and so frees its locks. On
/// this side deadlines do the same for a server that has vanished; the driver has no options for its sockets.
const FREE_LOCKS_OF_A_VANISHED_CLIENT: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "15"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "30000"),
];

/// How to connect to the database.
#[derive(Debug, Clone)]
pub struct Connect {
    pub url: DatabaseUrl,
    pub application_name: String,
    pub max_connections: u32,
    /// How long to wait for a connection before the database counts as unavailable.
    pub timeout: Duration,
    pub statement_timeout: Duration,
    /// Whether connections go through a pooler in transaction mode.
    pub pooled: bool,
    /// Whether sessions are read-only, so that the database rejects every write.
    pub read_only: bool,
}

impl Connect {
    /// Opens a connection within the timeout. The name of the host is resolved anew, and a URL that stands in a file is read
    /// anew: the database may have moved, and its password may have been rotated. With the history of its server; behind a pooler
    /// there is none, since each transaction may run on another one.
    ///
    /// # Errors
    /// The database is unavailable or refuses the connection, or the file cannot be read.
    pub(crate) async fn open(&self) -> Result<(PgConnection, Option<History>), StoreError> {
        let options = self.session_options()?;
        let connected = tokio::time::timeout(self.timeout, async {
            let mut connection = options.connect().await?;
            if self.pooled {
                return Ok((connection, None));
            }
            let prepare = format!(concat!("select ", history!(), " as history; {}"), wait_for_disk(false));
            let row = sqlx::raw_sql(AssertSqlSafe(prepare)).fetch_one(&mut connection).await?;
            Ok((connection, Some(History(row.try_get("history")?))))
        });
        connected.await.unwrap_or(Err(StoreError::TimedOut(self.timeout)))
    }

    /// The startup options of a session. Behind a pooler there are none: it rejects options that it does not know, and shares
    /// its sessions.
    fn session_options(&self) -> Result<PgConnectOptions, StoreError> {
        let options = self.url.connect_options().map_err(|why| sqlx::Error::Configuration(why.into()))?;
        let options = options.application_name(&self.application_name);
        if self.pooled {
            return Ok(options.extra_float_digits(None).statement_cache_capacity(0));
        }
        let timeout = self.statement_timeout.as_millis().to_string();
        let options = options.options([
            ("statement_timeout", timeout.as_str()),
            // A process that is paused within a transaction must not hold its row locks until it resumes.
            ("idle_in_transaction_session_timeout", timeout.as_str()),
        ]);
        let options = options.options(FREE_LOCKS_OF_A_VANISHED_CLIENT);
        Ok(if self.read_only { options.options([("default_transaction_read_only", "on")]) } else { options })
    }
}
