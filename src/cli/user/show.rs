//! `segmenter user show`: the stored data of one user.

use std::io::Write;

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::cli::database::{self, Access};
use crate::cli::table::print;
use crate::cli::user_ids;
use crate::config::DatabaseConfig;
use crate::domain::event::{Millis, UserId};
use crate::domain::ranking_change::ChangeBody;
use crate::domain::section::Section;
use crate::domain::state::State;
use crate::runtime::exit::Exit;
use crate::store::lookup::{self, UserRecord};
use crate::store::outbox;
use crate::store::outbox::each_waiting_user;
use crate::store::stored_row::StoredRow;

/// Show the stored data of a user: registers, last published change, row, outbox.
///
/// Exit codes: 0 shown; 1 nothing is stored of the user; 2 usage; 3 the schema is not migrated; 75 PostgreSQL is
/// unavailable.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The user's id.
    #[arg(value_parser = user_ids::parse)]
    id: UserId,
    /// Also show the content of the sections, which is personal data.
    ///
    /// It includes budget, company, children's ages and date of birth. Restrict who can read the output.
    #[arg(long)]
    content: bool,
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// A deeper outbox is not searched for one user.
const OUTBOX_ROWS: i64 = 2_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    user_id: String,
    /// `null` where the database has no `users` table.
    on_platform: Option<bool>,
    state: Option<ShownState>,
    row: Option<ShownRow>,
    deleted: Option<ShownDeletedUser>,
    /// Outbox rows with changes of the user; `null` if the outbox is too deep to search.
    outbox_rows: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownState {
    onboarded_at: Option<String>,
    erased_at: Option<String>,
    logical_time: Option<String>,
    catalog_version: u32,
    job: Option<String>,
    last_published: Option<ShownPublished>,
    sections: Vec<ShownSection>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownPublished {
    revision: i64,
    published_at: String,
    /// `null` where a tombstone was published.
    segments: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownSection {
    section: &'static str,
    written_at: String,
    event_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRow {
    source: String,
    primary_segment: Option<String>,
    segment_confidence: Option<f64>,
    last_segment_update: Option<String>,
    /// As stored.
    segments: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownDeletedUser {
    erased_at: Option<String>,
    revision: i64,
}

/// Reads the user's data and writes it to `out`.
///
/// # Errors
/// Nothing is stored of the user, the data cannot be read, or the database refuses the query.
pub async fn run(args: &ShowArgs, database: &DatabaseConfig, out: &mut impl Write) -> anyhow::Result<Exit> {
    let user = &args.id;
    let database = database::open(database, Access::Read).await?;
    let unread = "could not read the user's data";
    let record = lookup::record(&database.pool, user, database.platform.has_users).await.context(unread)?;
    let outbox_rows = outbox_rows(&database.pool, user).await.context(unread)?;
    if record.is_empty() && outbox_rows.is_none_or(|rows| rows == 0) {
        bail!(
            "nothing is stored of this user{}",
            match record.on_platform {
                Some(true) => ", who is on the platform",
                Some(false) => ", who is not on the platform either",
                None => "",
            }
        );
    }
    print(&shown(user, record, outbox_rows, args.content)?, args.json, out)?;
    Ok(Exit::Ok)
}

/// The number of outbox rows with changes of the user; `None` if the outbox is too deep to search.
pub(super) async fn outbox_rows(pool: &Pool, user: &UserId) -> Result<Option<u64>, StoreError> {
    if outbox::depth(pool).await?.rows > OUTBOX_ROWS {
        return Ok(None);
    }
    let mut rows = 0;
    each_waiting_user(pool, |waiting| rows += u64::from(waiting == user.as_str())).await?;
    Ok(Some(rows))
}

fn shown(user: &UserId, record: UserRecord, outbox_rows: Option<u64>, content: bool) -> anyhow::Result<Shown> {
    let state = record.state.transpose().context("the stored state of the user")?;
    Ok(Shown {
        user_id: user.as_str().to_owned(),
        on_platform: record.on_platform,
        state: state.as_ref().map(|state| shown_state(state, content)),
        row: record.row.map(shown_row),
        deleted: record
            .deleted
            .map(|deleted| ShownDeletedUser { erased_at: text(deleted.erased_at), revision: deleted.revision }),
        outbox_rows,
    })
}

fn shown_state(state: &State, with_content: bool) -> ShownState {
    let profile = &state.profile;
    let sections = profile.registers().map(|register| ShownSection {
        section: register.section.kind().name(),
        written_at: register.stamp.time.to_string(),
        event_id: register.stamp.id.to_string(),
        content: with_content.then(|| content(&register.section)).flatten(),
    });
    ShownState {
        onboarded_at: text(profile.onboarded().map(|stamp| stamp.time)),
        erased_at: text(profile.erased_at()),
        logical_time: text(profile.logical_time()),
        catalog_version: state.catalog_version,
        job: state.job.map(|job| job.to_string()),
        last_published: state.last_published.as_ref().map(|published| ShownPublished {
            revision: state.revision,
            published_at: Millis(state.revision).to_string(),
            segments: match published {
                ChangeBody::Ranking(_) => Some(state.published_segments().map(str::to_owned).collect()),
                ChangeBody::Tombstone { .. } => None,
            },
        }),
        sections: sections.collect(),
    }
}

/// The content of the section, with fields named as in events.
fn content(section: &Section) -> Option<Value> {
    // The variant is the section's name.
    match serde_json::to_value(section).ok()? {
        Value::Object(of_variant) => of_variant.into_iter().next().map(|(_, fields)| fields),
        _ => None,
    }
}

fn shown_row(row: StoredRow) -> ShownRow {
    // A jsonb value always parses.
    let segments = row.segments.and_then(|segments| serde_json::from_str(&segments).ok()).unwrap_or(Value::Null);
    ShownRow {
        source: row.source,
        primary_segment: row.primary_segment,
        segment_confidence: row.segment_confidence,
        last_segment_update: text(row.last_segment_update),
        segments,
    }
}

fn text(time: Option<Millis>) -> Option<String> {
    time.map(|time| time.to_string())
}
