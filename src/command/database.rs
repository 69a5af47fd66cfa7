//! The database for a command that does one thing and ends: opened with its schema checked, and what its absence means.

use std::io::{self, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

use super::catalog;
use crate::config::{Config, DatabaseConfig};
use crate::exit::Exit;
use crate::kafka::topic_reader::ReadError;
use crate::store::Store;
use crate::store::apply::transaction_deadline;
use crate::store::error::{ErrorClass, StoreError, classify};
use crate::store::schema::{self, Platform, SchemaStatus};
use crate::store::sql::{self, Connect};

/// What the command may do to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing: PostgreSQL itself sees to it. A standby will do.
    Read,
    Write,
}

/// A database whose schema this program can work with.
#[derive(Debug)]
pub(super) struct Database {
    pub pool: PgPool,
    pub platform: Platform,
    pub schema: SchemaStatus,
}

/// A command's own work needs one connection, that of a publisher some more.
const CONNECTIONS: u32 = 3;

/// Opens the database; `Err` within is the state of a schema that this program cannot work with.
///
/// # Errors
/// The database does not answer, or does not let us in.
pub(super) async fn open(config: &DatabaseConfig, access: Access) -> anyhow::Result<Result<Database, SchemaStatus>> {
    // Without the cause: it may repeat the URL, which holds a password.
    let options: PgConnectOptions = config.url.expose().parse().ok().context("the database URL cannot be parsed")?;
    let pool = sql::pool(&Connect {
        options: options.application_name(config.application_name.as_str()),
        max_connections: CONNECTIONS,
        timeout: config.connect_timeout,
        statement_timeout: config.statement_timeout,
        pooled: config.pooled,
        read_only: access == Access::Read,
    });
    let mut transaction = sql::begin_in(&pool).await.context("the database does not answer")?;
    let connection = &mut *transaction;
    let schema = schema::check(connection).await.context("could not look at the database's schema")?;
    if !schema.is_usable() {
        return Ok(Err(schema));
    }
    let platform = Platform::detect(connection).await.context("could not look at the platform's tables")?;
    drop(transaction);
    Ok(Ok(Database { pool, platform, schema }))
}

impl Database {
    /// The store of a process of its own on this database.
    ///
    /// # Errors
    /// The catalog cannot be read.
    pub(super) fn store(&self, config: &Config) -> anyhow::Result<Store> {
        Ok(Store {
            pool: self.pool.clone(),
            catalog: Arc::new(catalog::load(&config.catalog)?),
            has_users: self.platform.has_users,
            owner: Uuid::new_v4(),
            lease: config.outbox.lease,
            deadline: transaction_deadline(config.database.statement_timeout),
        })
    }
}

/// Says that the schema is refused, and gives the exit code.
pub(super) fn refuse(schema: &SchemaStatus) -> anyhow::Result<Exit> {
    writeln!(io::stderr(), "segmenter: the database's schema is {schema}")?;
    Ok(Exit::Refused)
}

/// Turns the error of a dependency that is away into its exit code; any other stays an error.
pub(super) fn ended(result: anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    match result {
        Err(error) if is_away(&error) => {
            writeln!(io::stderr(), "segmenter: {error:#}")?;
            Ok(Exit::DependencyAway)
        }
        ended => ended,
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<sqlx::Error>().is_some_and(|error| classify(error) == ErrorClass::Outage)
            || matches!(cause.downcast_ref(), Some(StoreError::TimedOut(_)))
            || matches!(cause.downcast_ref(), Some(ReadError::Away(_)))
    })
}
