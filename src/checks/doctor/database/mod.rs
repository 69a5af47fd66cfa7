//! The checks of PostgreSQL. Each file has queries, and beside them the pure functions that turn answers into findings.
//!
//! ```text
//! server   version, TLS, clock, durability, timeouts, connections
//! schema   migrations, columns, indexes, triggers, the platform's users
//! rights   the rights of docs/grants.sql
//! data     the outbox, states without rows, the catalog that scored users
//! ```

mod data;
mod rights;
mod schema;
mod server;

use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;

use super::Subject;
use super::finding::{Answer, Findings, Unknown, Unreachable};
use crate::migrate::schema as migrations;
use crate::migrate::schema::{Platform, SchemaStatus};
use crate::store::connect::transaction_deadline;
use crate::store::error::{ErrorClass, classify};

/// The deadline of one query.
const ANSWER: Duration = Duration::from_secs(5);

/// Runs all checks of the database. The session is read-only, and each query has a deadline.
///
/// # Errors
/// The URL cannot be parsed.
pub async fn check(subject: &Subject<'_>) -> anyhow::Result<Findings> {
    let config = &subject.config.database;
    // Without the cause: it may repeat the URL, which holds a password.
    let options: PgConnectOptions = config.url.expose().parse().ok().context("database.url cannot be parsed")?;
    let timeout_text = config.statement_timeout.as_millis().to_string();
    // Connects like the service, so that a pooler in between shows; but read-only.
    let options = options
        .application_name("segmenter doctor")
        .options([("statement_timeout", timeout_text.as_str()), ("default_transaction_read_only", "on")]);
    let mut found = Findings::of("database");
    found.begin("reachable");
    let mut session = match Session::open(&options, config.connect_timeout).await {
        Ok(session) => session,
        Err(unreachable) => return Ok(not_reached(&unreachable, found)),
    };
    let server = match session.ask(server::read).await {
        Ok(server) => server,
        Err(unknown) => return Ok(not_reached(&Unreachable::Unavailable(unknown.why), found)),
    };
    found.ok("it answers.");
    server::server(&server, &mut found);
    server::clock(session.ask(server::read_clock).await, &mut found);
    server::timeouts(&server, config.statement_timeout, transaction_deadline(config.statement_timeout), &mut found);
    let name = config.application_name.as_str();
    let room = session.ask(async |connection| server::read_room(connection, name).await).await;
    server::room(room, &server.role, i64::from(subject.connections), &mut found);

    let status = session.ask(migrations::check).await;
    let is_migrated = status.as_ref().is_ok_and(SchemaStatus::is_usable);
    schema::migrations(status, &mut found);
    schema::columns(session.ask(schema::read_columns).await, &mut found);
    schema::indexes(session.ask(schema::read_indexes).await, is_migrated, &mut found);
    schema::triggers(session.ask(schema::read_triggers).await, is_migrated, &mut found);
    schema::users(session.ask(Platform::detect).await, is_migrated, &mut found);
    rights::rights(session.ask(rights::read_missing).await, &server, &mut found);

    // Without a migrated schema these queries only repeat that it is missing.
    let outbox = session.ask(data::read_outbox).await;
    if is_migrated || outbox.is_ok() {
        data::outbox(outbox, i64::from(subject.config.outbox.max_depth), &mut found);
    }
    let without_rows = session.ask(data::read_states_without_rows).await;
    if is_migrated || without_rows.is_ok() {
        data::rows(without_rows, &mut found);
    }
    let newest = session.ask(data::read_newest_catalog).await;
    if let Some(catalog) = subject.catalog.as_ref().ok().filter(|_| is_migrated || newest.is_ok()) {
        data::catalog(newest, i64::from(catalog.version()), &mut found);
    }
    session.close().await;
    Ok(found)
}

fn not_reached(unreachable: &Unreachable, mut found: Findings) -> Findings {
    let (finding, remedy) = match unreachable {
        Unreachable::Unavailable(_) => {
            ("the database does not answer", "Check the server and database.url (`segmenter config show`).")
        }
        Unreachable::Refused(_) => {
            ("the database refuses us", "Check user, password and database name in database.url.")
        }
    };
    found.unreachable(unreachable, finding, remedy);
    found
}

/// A connection that is dropped with the first query that misses its deadline.
struct Session(Option<PgConnection>);

impl Session {
    async fn open(options: &PgConnectOptions, connect_timeout: Duration) -> Result<Self, Unreachable> {
        match timeout(connect_timeout, options.connect()).await {
            Ok(Ok(connection)) => Ok(Self(Some(connection))),
            Ok(Err(error)) if classify(&error) == ErrorClass::Misconfigured => Err(Unreachable::Refused(text(&error))),
            Ok(Err(error)) => Err(Unreachable::Unavailable(text(&error))),
            Err(_) => Err(Unreachable::Unavailable(format!("no answer within {connect_timeout:?}"))),
        }
    }

    async fn ask<T>(&mut self, query: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>) -> Answer<T> {
        let Some(connection) = &mut self.0 else {
            return Err(Unknown::failed("the database has stopped answering"));
        };
        match timeout(ANSWER, query(connection)).await {
            Ok(answer) => answer.map_err(|error| unknown(&error)),
            Err(_) => {
                // A late answer would be taken for that of the next query.
                self.0 = None;
                Err(Unknown::failed(format!("no answer within {ANSWER:?}")))
            }
        }
    }

    async fn close(self) {
        if let Some(connection) = self.0 {
            // An error in closing the connection does not matter.
            let _ = timeout(ANSWER, connection.close()).await;
        }
    }
}

fn unknown(error: &sqlx::Error) -> Unknown {
    let mut unknown = Unknown::failed(text(error));
    match error.as_database_error().and_then(|database| database.code()).as_deref() {
        Some("42501") => unknown.remedy = "Run docs/grants.sql as the owner of the tables.".to_owned(),
        Some("42P01" | "3F000") => unknown.remedy = "Apply the migrations: `segmenter migrate run`.".to_owned(),
        _ => {}
    }
    unknown
}

/// The server's own message, if there is one: no query here contains data.
fn text(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |database| database.message().to_owned())
}

#[cfg(test)]
mod tests;
