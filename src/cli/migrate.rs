//! `segmenter migrate`: parses its arguments, prints the steps, maps the result to an exit code.

use std::convert::Infallible;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::follow_up::{Without, again, nothing_was_changed};
use super::progress::Bar;
use super::serve;
use crate::migrate::{self, Build, Limits, MigrateError, Notice, RevertOptions, RunOptions, Target};
use crate::runtime::exit::Exit;
use crate::store::audit::Operator;

/// Apply, list or revert the migrations of the database.
///
/// All objects of the service are in schema `segmenter`. Of the platform's tables only public.user_vectors changes:
/// four columns and an index are added where they are missing. Run it as the owner of that table, with CREATE on schema
/// public and on the database (or on an existing schema segmenter) and REFERENCES on public.users, over a direct
/// connection (not through a pooler in transaction mode). One migration runs at a time; others wait up to 10 minutes.
///
/// A step waits for a lock of the platform's for half a second, so that the platform's own statements never queue behind
/// it for longer. Then it is repeated after growing pauses, for four minutes. The index is built concurrently; its
/// progress is shown on standard error.
///
/// Exit codes: 0 done, or nothing to do; 1 failure; 2 usage; 3 refused: a precondition does not hold; 75 the database
/// is unavailable or a lock was not granted: try again.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Apply pending migrations, and rebuild the index on "primarySegment" if it is invalid.
    ///
    /// If Prisma manages the database and its migrations have not added the segment columns yet, this refuses and names
    /// the migration to deploy.
    Run {
        /// Add the segment columns even if Prisma manages the database. Then mark Prisma's own migration IA-002.1 as
        /// applied.
        #[arg(long)]
        add_columns: bool,
        /// Print the steps without executing them.
        #[arg(long)]
        dry_run: bool,
    },
    /// List applied and pending migrations, and the objects that existed before them.
    Info,
    /// Revert the newest migration, those after --to, or --all; dry run unless --execute.
    ///
    /// Drops the objects that the migrations added, with their data, and keeps those that existed before. Prints the
    /// steps and the data that they lose. Stop the service first.
    Revert {
        /// Revert every migration newer than this one; 0 reverts all.
        #[arg(long, value_name = "VERSION", conflicts_with = "all", value_parser = clap::value_parser!(i64).range(0..))]
        to: Option<i64>,
        /// Revert all migrations.
        #[arg(long)]
        all: bool,
        /// Revert, and lose the listed data.
        #[arg(long)]
        execute: bool,
    },
}

/// Runs the subcommand on the database at `database_url` and prints each step to `out` as it happens.
///
/// # Errors
/// The URL cannot be parsed, or `out` cannot be written to. A refusal or failure of the database is an [`Exit`].
pub async fn run(
    args: &MigrateArgs,
    database_url: &str,
    operator: &Operator,
    out: &mut (impl Write + Send),
) -> anyhow::Result<Exit> {
    // Without the cause: it may repeat the URL, which holds a password.
    let options = PgConnectOptions::from_str(database_url)
        .ok()
        .context("the database URL cannot be parsed")?
        .application_name("segmenter migrate");
    let mut printed = Ok(());
    let result = match serve::connect(&options, CONNECT_TIMEOUT).await {
        Err(error) => Err(error.into()),
        Ok(mut conn) => {
            let mut print = |line: String| {
                if printed.is_ok() {
                    printed = writeln!(out, "{line}");
                }
            };
            let result = tokio::select! {
                result = act(&args.action, &mut conn, operator, &mut print) => result,
                never = show_builds(options.clone().application_name("segmenter migrate progress")) => match never {},
            };
            // The work is committed or rolled back by now; an error in closing the connection does not matter.
            let _ = conn.close().await;
            result
        }
    };
    printed.context("cannot print")?;
    match result {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => {
            writeln!(out, "error: {error}").context("cannot print")?;
            Ok(exit(&error))
        }
    }
}

/// A database that does not answer within this is unavailable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the progress of a build is read.
const POLL: Duration = Duration::from_millis(500);

/// Shows the build of the index on standard error while there is one: on many rows it takes minutes.
async fn show_builds(options: PgConnectOptions) -> Infallible {
    let mut bar = Bar::new("index", false);
    let mut connection = None;
    loop {
        tokio::time::sleep(POLL).await;
        if connection.is_none() {
            connection = serve::connect(&options, CONNECT_TIMEOUT).await.ok();
        }
        let Some(open) = connection.as_mut() else { continue };
        match migrate::build_in_work(open).await {
            Ok(None) => {}
            Ok(Some(Build { phase, done, total })) => bar.show(done, total, phase),
            Err(_) => connection = None,
        }
    }
}

async fn act(
    action: &Action,
    conn: &mut PgConnection,
    operator: &Operator,
    print: &mut (dyn FnMut(String) + Send),
) -> Result<(), MigrateError> {
    let limits = Limits::default();
    let mut is_planned = false;
    let mut progress = |notice: Notice| {
        is_planned |= matches!(notice, Notice::Planned { .. });
        print(notice.to_string());
    };
    match *action {
        Action::Run { add_columns, dry_run } => {
            migrate::run(conn, RunOptions { add_columns, dry_run }, &limits, &mut progress).await?;
            if dry_run && is_planned {
                print(format!("Nothing was changed. Next: {}", again(&[Without::Flag("--dry-run")], &[])));
            }
        }
        Action::Revert { to, all, execute } => {
            let target = match (to, all) {
                (Some(version), _) => Target::Version(version),
                (None, true) => Target::All,
                (None, false) => Target::OneStep,
            };
            migrate::revert(conn, RevertOptions { target, execute }, operator, &limits, &mut progress).await?;
            if !execute {
                print(nothing_was_changed());
            }
        }
        Action::Info => {
            let info = migrate::info(conn).await?;
            print(info.to_string().trim_end().to_owned());
            if info.is_for_run() {
                print("next: segmenter migrate run".to_owned());
            }
        }
    }
    Ok(())
}

fn exit(error: &MigrateError) -> Exit {
    match error {
        MigrateError::Refused(_) => Exit::Refused,
        MigrateError::Busy { .. } | MigrateError::Locked { .. } | MigrateError::Unavailable(_) => {
            Exit::DependencyUnavailable
        }
        MigrateError::Database(_) => Exit::Failure,
    }
}
