//! `segmenter migrate`: parses its arguments, prints what happens, maps the outcome to an exit code.

use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::serve;
use crate::migrate::{self, Limits, MigrateError, Notice, RevertOptions, RunOptions, Target};
use crate::runtime::exit::Exit;

/// Apply, list or revert the migrations of the database.
///
/// Everything of the service lives in schema `segmenter`; of the platform's tables only public.user_vectors is touched:
/// four columns and an index, where they are missing. Run it as the owner of that table, with the right to create in
/// schema public and in the database (or in an existing schema segmenter) and REFERENCES on public.users, over a direct
/// connection (not through a pooler in transaction mode). Only one migration runs at a time: others wait up to 10
/// minutes.
///
/// Exit codes: 0 done or nothing to do; 1 failure; 2 usage; 3 refused, a precondition does not hold; 75 the database is
/// away or a lock was not granted: try again.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Apply what is pending, and rebuild the index on "primarySegment" if it is invalid.
    ///
    /// Where Prisma's migrations govern the database and have not yet added the segment columns, this refuses and names
    /// the migration to deploy.
    Run {
        /// Add the segment columns even where Prisma's migrations govern the database. Prisma's own migration
        /// IA-002.1 then has to be marked as applied.
        #[arg(long)]
        add_columns: bool,
        /// Print the steps and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the migrations, applied or pending, and what was in the database before them.
    Info,
    /// Undo migrations, newest first: one, or those that --to or --all name. Dry run unless --execute.
    ///
    /// Takes away what the migrations added and leaves what was there before them. Prints the steps and their losses. Stop
    /// the service first.
    Revert {
        /// Undo every migration newer than this one; 0 undoes all.
        #[arg(long, value_name = "VERSION", conflicts_with = "all", value_parser = clap::value_parser!(i64).range(0..))]
        to: Option<i64>,
        /// Undo all of them.
        #[arg(long)]
        all: bool,
        /// Do it, and lose what is listed.
        #[arg(long)]
        execute: bool,
    },
}

/// Does what the arguments say on the database at `database_url` and prints to `out` what happens, as it happens.
///
/// # Errors
/// A URL that cannot be parsed, or `out` that cannot be written to. What the database says is an [`Exit`].
pub async fn run(args: &MigrateArgs, database_url: &str, out: &mut (impl Write + Send)) -> anyhow::Result<Exit> {
    // Without the cause: it may repeat the URL, which holds a password.
    let options = PgConnectOptions::from_str(database_url)
        .ok()
        .context("the database URL cannot be parsed")?
        .application_name("segmenter migrate");
    let mut printed = Ok(());
    let result = match serve::connect(&options, CONNECT_TIMEOUT).await {
        Err(error) => Err(error.into()),
        Ok(mut conn) => {
            let result = act(&args.action, &mut conn, &mut |line| {
                if printed.is_ok() {
                    printed = writeln!(out, "{line}");
                }
            })
            .await;
            // The work is done or undone by now; a farewell that fails changes nothing.
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

/// A database that does not answer is unavailable, not slow.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

async fn act(
    action: &Action,
    conn: &mut PgConnection,
    print: &mut (dyn FnMut(String) + Send),
) -> Result<(), MigrateError> {
    let limits = Limits::default();
    let mut progress = |notice: Notice| print(notice.to_string());
    match *action {
        Action::Run { add_columns, dry_run } => {
            migrate::run(conn, RunOptions { add_columns, dry_run }, &limits, &mut progress).await?;
        }
        Action::Revert { to, all, execute } => {
            let target = match (to, all) {
                (Some(version), _) => Target::Version(version),
                (None, true) => Target::All,
                (None, false) => Target::OneStep,
            };
            migrate::revert(conn, RevertOptions { target, execute }, &limits, &mut progress).await?;
            if !execute {
                print("Nothing was changed; --execute does it.".to_owned());
            }
        }
        Action::Info => print(migrate::info(conn).await?.to_string().trim_end().to_owned()),
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
