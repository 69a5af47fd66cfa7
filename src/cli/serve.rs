//! `segmenter serve`: the live service.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::{database, settings};
use crate::codec::segment_changed::Encoding;
use crate::config::{Config, SettingFlags, ShownSetting};
use crate::domain::scoring::Catalog;
use crate::http::status::Board;
use crate::http::{self, Access, Pages, Tls};
use crate::ingest::schema_wait;
use crate::migrate::schema::{self, Platform, SchemaStatus};
use crate::migrate::{self, MigrateError, RunOptions};
use crate::publish::output_schema;
use crate::registry::{Failure, Registry};
use crate::runtime::exit::Exit;
use crate::runtime::health::Health;
use crate::runtime::retry::Retry;
use crate::runtime::stop::{Stop, StopReason};
use crate::service;
use crate::store::connect::Connect;
use crate::store::error::{ErrorClass, StoreError, classify};
use crate::store::sql::{Pool, Sessions};
use crate::telemetry::Shared;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces::Traces;

/// Read events from Kafka, write user_vectors, publish changes.
///
/// On SIGTERM or SIGINT it drains, publishes, commits and leaves the group. It waits while Kafka, PostgreSQL or the
/// schema registry is unavailable.
///
/// Exit codes: 0 stopped by a signal; 1 failure; 2 wrong configuration; 3 refused: the schema is behind, or the data is
/// newer than this program; 5 poison flood: too many consecutive rejected records.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub settings: SettingFlags,
}

/// The connections besides those for folds: publisher, outbox gate, takeover, positions.
pub(crate) const OTHER_CONNECTIONS: u32 = 4;

/// The name of the schema's component in readiness.
const SCHEMA: &str = "schema";

/// The deadline for sending the last traces.
const LAST_TRACES: std::time::Duration = std::time::Duration::from_secs(5);

/// The deadline for all of `--migrate`.
const LONGEST_MIGRATION: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

/// Serves until stopped.
///
/// # Errors
/// A failure to start. An unavailable database is none: the service waits for it.
pub async fn run(config: Config, shown: Vec<ShownSetting>) -> anyhow::Result<Exit> {
    let metrics = Metrics::new()?;
    let traces = Traces::start(&metrics)?;
    let shared = Shared { metrics, health: Health::default(), stop: Stop::default(), traces };
    stop_on_signals(shared.stop.clone())?;
    let listener = http::listen(config.http.addr).await?;
    run_until_stopped(config, shown, listener, shared).await
}

/// Serves until a stop of `shared` is requested, with the HTTP pages on `listener`, which show `shown` as the
/// configuration.
///
/// # Errors
/// As [`run`].
pub async fn run_until_stopped(
    config: Config,
    shown: Vec<ShownSetting>,
    listener: TcpListener,
    shared: Shared,
) -> anyhow::Result<Exit> {
    let catalog = Arc::new(settings::catalog(&config.catalog)?);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        catalog = catalog.version(),
        group = config.kafka.group_id.as_str(),
        brokers = config.kafka.brokers.joined(),
        "segmenter starts",
    );
    shared.health.expect(&[SCHEMA]);
    let board = Board::new(shared.health.clone(), shared.metrics.clone(), shown);
    tokio::spawn(board.clone().watch(shared.stop.clone()));
    let pages = Pages { board: board.clone(), access: access(&config), has_user_page: config.http.user_page };
    let tls = config.http.certificate.clone().zip(config.http.key.clone());
    let tls = tls.map(|(certificate, key)| Tls::new(certificate, key)).transpose()?;
    let server = tokio::spawn(http::serve(listener, tls, http::router(pages), shared.stop.clone()));

    let exit = serve(&config, catalog, &shared, &board).await;
    let (traces, within) = (shared.traces.clone(), config.kafka.drain_deadline.min(LAST_TRACES));
    tokio::task::spawn_blocking(move || traces.flush(within)).await.context("sending the last traces panicked")?;
    shared.stop.abandon();
    server.await.context("the HTTP server panicked")?;
    exit
}

async fn serve(config: &Config, catalog: Arc<Catalog>, shared: &Shared, board: &Board) -> anyhow::Result<Exit> {
    let connections = config.database.connections + OTHER_CONNECTIONS;
    let connect = database::connect(&config.database, connections, database::Access::Write);
    // A stop ends the wait for a peer, whatever it does.
    let prepared = shared.stop.clone().until_requested(prepare_database(config, &connect, shared)).await;
    let Some(has_users) = prepared.transpose()?.flatten() else {
        return Ok(ended(shared));
    };
    let pool = Pool::new(connect);
    shared.metrics.watch_pool({
        let pool = pool.clone();
        move || pool.usage()
    });
    let store = database::store(config, pool, catalog, has_users);
    board.store.get_or_init(|| store.clone());
    let registry = settings::registry(&config.registry)?;
    let prepared = shared.stop.clone().until_requested(prepare_output(config, registry.as_ref(), shared)).await;
    let Some(encoding) = prepared.flatten() else {
        return Ok(ended(shared));
    };
    service::run(config, encoding, registry, store, shared.clone(), board).await?;
    Ok(ended(shared))
}

fn access(config: &Config) -> Access {
    match (&config.http.token, config.http.allow_anonymous) {
        (Some(token), _) => Access::Token(token.clone()),
        (None, true) => Access::Open,
        (None, false) => Access::Closed,
    }
}

/// Logs why the process ends; returns its exit code.
fn ended(shared: &Shared) -> Exit {
    let reason = shared.stop.reason().cloned().unwrap_or(StopReason::Signal);
    match &reason {
        StopReason::Signal => info!("stopped by a signal"),
        StopReason::Failure(why) | StopReason::Refused(why) | StopReason::Flood(why) => {
            error!(exit = reason.exit() as u8, why, "segmenter ends");
        }
    }
    reason.exit()
}

/// Migrates if configured to, and checks the schema; waits while the database is unavailable.
///
/// Returns whether the platform's `users` table exists; `None` if the schema is refused.
async fn prepare_database(config: &Config, connect: &Connect, shared: &Shared) -> anyhow::Result<Option<bool>> {
    let mut retry = Retry::forever();
    let mut reported = false;
    loop {
        // A migration may take hours to build an index; reading the schema may not.
        let limit = if config.database.migrate { LONGEST_MIGRATION } else { config.database.connect_timeout * 6 };
        let prepared = tokio::time::timeout(limit, prepare_once(config, connect, shared)).await;
        match prepared.unwrap_or_else(|_| Err(StoreError::TimedOut(limit).into())) {
            Ok(prepared) => return Ok(prepared),
            Err(error) if is_outage(&error) => {
                shared.health.set_not_ready(SCHEMA, "the database is unavailable");
                if !std::mem::replace(&mut reported, true) {
                    warn!(reason = format!("{error:#}"), "the database is unavailable; waiting for it");
                }
            }
            Err(error) => return Err(error),
        }
        retry.wait().await;
    }
}

/// Chooses the encoding of segment-changed; waits while the registry is unavailable. `None` if the registry refuses the
/// schema.
async fn prepare_output(config: &Config, registry: Option<&Registry>, shared: &Shared) -> Option<Encoding> {
    let mut retry = Retry::forever();
    let mut reported = false;
    loop {
        match output_schema::encoding(
            settings::encoding(&config.topics),
            config.topics.segment_changed.as_str(),
            registry,
        )
        .await
        {
            Ok(encoding) => {
                if reported {
                    shared.health.set_ready(schema_wait::COMPONENT);
                    info!("the schema registry answers again");
                }
                return Some(encoding);
            }
            Err(Failure::Unavailable(why)) => {
                shared.health.set_not_ready(schema_wait::COMPONENT, format!("unavailable: {why}"));
                if !std::mem::replace(&mut reported, true) {
                    warn!(
                        reason = why,
                        "the schema registry is unavailable; waiting for it with the schema of segment-changed"
                    );
                }
            }
            Err(failure) => {
                shared.stop.now(StopReason::Refused(format!("the schema of segment-changed: {failure}")));
                return None;
            }
        }
        retry.wait().await;
    }
}

fn is_outage(error: &anyhow::Error) -> bool {
    let class = match error.downcast_ref::<StoreError>() {
        Some(error) => error.class(),
        None => error.downcast_ref::<sqlx::Error>().map(classify),
    };
    class == Some(ErrorClass::Outage)
}

async fn prepare_once(config: &Config, to: &Connect, shared: &Shared) -> anyhow::Result<Option<bool>> {
    let (mut connection, _) = to.open().await?;
    if config.database.migrate {
        let progress = &mut |notice: migrate::Notice| info!(%notice, "migration");
        let migrated =
            migrate::run(&mut connection, RunOptions::default(), &migrate::Limits::default(), progress).await;
        match migrated {
            Ok(_) => {}
            Err(MigrateError::Busy { .. } | MigrateError::Locked { .. } | MigrateError::Unavailable { .. }) => {
                // Another process migrates, or the database does not answer: both are waited for like an outage.
                return Err(sqlx::Error::Io(std::io::Error::other("the migrations have to wait")).into());
            }
            Err(MigrateError::Refused(refusal)) => {
                shared.stop.now(StopReason::Refused(format!("the database was not migrated: {refusal}")));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mut transaction = connection.begin_with(AssertSqlSafe(Sessions::of(to).begin())).await?;
    let status = schema::check(&mut transaction).await?;
    if !status.is_usable() {
        shared.health.set_not_ready(SCHEMA, status.to_string());
        shared.stop.now(StopReason::Refused(format!("the database's schema is {status}")));
        return Ok(None);
    }
    if let SchemaStatus::NewerCompatible { .. } = &status {
        warn!(%status, "the schema is newer than this program and declares itself compatible");
    }
    shared.health.set_ready(SCHEMA);
    Ok(Some(Platform::detect(&mut transaction).await?.has_users))
}

/// Connects; a timeout is an outage.
pub(super) async fn connect(
    options: &PgConnectOptions,
    timeout: std::time::Duration,
) -> Result<PgConnection, sqlx::Error> {
    let connected = tokio::time::timeout(timeout, options.connect()).await;
    connected.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}

pub(super) fn stop_on_signals(stop: Stop) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => info!("SIGTERM: finishing the work in flight"),
            _ = interrupt.recv() => info!("SIGINT: finishing the work in flight"),
        }
        stop.now(StopReason::Signal);
    });
    Ok(())
}
