//! The database of a one-shot command: opened, with its schema checked.

use std::sync::Arc;

use crate::store::sql::Pool;
use anyhow::Context as _;
use uuid::Uuid;

use super::failure::ends;
use super::settings;
use crate::config::{Config, DatabaseConfig};
use crate::domain::scoring::Catalog;
use crate::migrate::schema::{self, Platform, SchemaStatus};
use crate::runtime::exit::Exit;
use crate::store::Store;
use crate::store::connect::Connect;
use crate::store::revision_clock::RevisionClock;

/// The access that a command needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Read only, enforced by PostgreSQL. A standby suffices.
    Read,
    Write,
}

/// A database whose schema this program can work with.
#[derive(Debug)]
pub(super) struct Database {
    pub pool: Pool,
    pub platform: Platform,
    pub schema: SchemaStatus,
}

/// The connections besides those for a command's own work: its publisher's, and a job's heartbeat.
const OTHER_CONNECTIONS: u32 = 3;

/// Opens the database for work on one connection at a time.
///
/// # Errors
/// As [`open_for`].
pub(super) async fn open(config: &DatabaseConfig, access: Access) -> anyhow::Result<Database> {
    open_for(config, 1, access).await
}

/// Opens the database for work on so many connections at a time.
///
/// # Errors
/// The database does not answer or refuses the connection, or this program cannot work with its schema.
pub(super) async fn open_for(config: &DatabaseConfig, at_once: u32, access: Access) -> anyhow::Result<Database> {
    let pool = Pool::new(connect(config, at_once + OTHER_CONNECTIONS, access));
    let schema = pool.read(async |connection| schema::check(connection).await).await;
    let schema = schema.context("could not read the database's schema")?;
    if !schema.is_usable() {
        return Err(ends(Exit::Refused, format!("the database's schema is {schema}")));
    }
    let platform = pool.read(async |connection| Platform::detect(connection).await).await;
    let platform = platform.context("could not inspect the platform's tables")?;
    Ok(Database { pool, platform, schema })
}

/// The settings of the connections.
pub(super) fn connect(config: &DatabaseConfig, connections: u32, access: Access) -> Connect {
    Connect {
        url: config.url.clone(),
        application_name: config.application_name.as_str().to_owned(),
        max_connections: connections,
        timeout: config.connect_timeout,
        statement_timeout: config.statement_timeout,
        pooled: config.pooled,
        read_only: access == Access::Read,
    }
}

/// A store under a new owner id.
pub(super) fn store(config: &Config, pool: Pool, catalog: Arc<Catalog>, has_users: bool) -> Store {
    Store {
        pool,
        catalog,
        has_users,
        owner: Uuid::new_v4(),
        lease: config.outbox.lease,
        revisions: RevisionClock::default(),
    }
}

impl Database {
    /// A store on this database, under a new owner id.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub(super) fn store(&self, config: &Config) -> anyhow::Result<Store> {
        let catalog = Arc::new(settings::catalog(&config.catalog)?);
        Ok(store(config, self.pool.clone(), catalog, self.platform.has_users))
    }
}
