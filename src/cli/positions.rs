//! `segmenter positions`: shows where each input partition stands, and deletes the positions of a group.

use std::io::Write;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::database::{self, Access};
use super::failure::ends;
use super::follow_up::nothing_was_changed;
use super::settings;
use super::table::print;
use crate::checks::positions::{self, Report};
use crate::config::{Config, DatabaseConfig, JobsConfig};
use crate::kafka::client::Topics;
use crate::runtime::exit::Exit;
use crate::store::positions_of_groups::{self, IN_USE, ListedPosition};

/// Show where each input partition stands, and where it would start.
///
/// Changes nothing, beside a running service too. One line a partition: its first offset and end; the group's committed
/// offset, and the program that committed it; the position in the database, the start of the server that it was written
/// on ("topic may be ahead": a loss is not repaired yet), and the age of its row; the lag; and the start that a process
/// would choose now. Positions of deleted topics and of other groups follow.
///
/// Exit codes: 0 shown; 1 failure; 2 usage or configuration; 3 the schema is not migrated, or a topic does not exist; 4
/// shown, and a partition cannot start without an operator; 75 Kafka or PostgreSQL is unavailable.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PositionsArgs {
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    pub action: Option<PositionsAction>,
}

#[derive(Debug, Subcommand)]
pub enum PositionsAction {
    Forget(ForgetArgs),
}

/// Delete the positions of a group that is used no more; dry run unless --execute.
///
/// If the group starts again, it refuses its committed offsets (kafka.out_of_range); where it has none, it starts at
/// kafka.initial_offset. Positions that no process writes are deleted after 90 days in any case.
///
/// Exit codes: 0 deleted (or shown, without --execute); 1 failure; 2 usage; 3 refused: the group has no positions, a
/// process has written them within the last minute, or the schema is not migrated; 75 PostgreSQL is unavailable.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The consumer group.
    #[arg(long, value_name = "GROUP")]
    group: String,
    /// Delete; without this, nothing is written.
    #[arg(long)]
    execute: bool,
}

/// Shows the positions of the configured group.
///
/// # Errors
/// Kafka or the database is unavailable, a topic does not exist, or `out` cannot be written to.
pub async fn show(args: &PositionsArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let database = database::open(&config.database, Access::Read).await?;
    let facts = positions::gather(&config.kafka, &Topics::from(&config.topics), &database.pool).await?;
    let report = Report::from(&facts);
    print(&report, args.json, out)?;
    Ok(if report.findings.is_empty() { Exit::Ok } else { Exit::Findings })
}

/// A row that `forget` deletes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    topic_id: Uuid,
    partition: i32,
    position: Option<i64>,
    age_seconds: u64,
}

impl From<&ListedPosition> for Row {
    fn from(row: &ListedPosition) -> Self {
        let position = row.position.map(|position| position.next_offset);
        Self { topic_id: row.key.topic_id, partition: row.key.partition, position, age_seconds: row.age.as_secs() }
    }
}

/// Shows the rows of a group, and with --execute deletes them.
///
/// # Errors
/// The group has none or is in use, the database is unavailable, or `out` cannot be written to.
pub async fn forget(
    args: &ForgetArgs,
    config: &DatabaseConfig,
    jobs: &JobsConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let group = &args.group;
    let database = database::open(config, if args.execute { Access::Write } else { Access::Read }).await?;
    let listed = positions_of_groups::list(&database.pool).await.context("could not read the positions")?;
    let rows: Vec<Row> = listed.of(group).map(Row::from).collect();
    if rows.is_empty() {
        return Err(ends(Exit::Refused, format!("there are no positions of group {group}")));
    }
    print(&rows, false, out)?;
    if listed.of(group).any(|row| row.age < IN_USE) {
        return Err(in_use(group));
    }
    if !args.execute {
        writeln!(out, "{}", nothing_was_changed())?;
        return Ok(Exit::Ok);
    }
    match positions_of_groups::forget(&database.pool, group, &settings::operator(jobs))
        .await
        .context("could not delete the positions")?
    {
        0 => Err(in_use(group)),
        deleted => {
            writeln!(out, "Deleted {deleted}.")?;
            Ok(Exit::Ok)
        }
    }
}

fn in_use(group: &str) -> anyhow::Error {
    let why = format!(
        "group {group} is in use: a process has written its positions within the last minute. Nothing was changed; stop \
         every process of the group first"
    );
    ends(Exit::Refused, why)
}
