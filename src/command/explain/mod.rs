//! `segmenter explain`: what the engine makes of a profile, and why.

mod jsonl;
mod table;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::database::{self, Access};
use crate::config::{CatalogConfig, DatabaseConfig};
use crate::engine::{self, Catalog, Segmentation};
use crate::event::{self, Body, Decoded, Kind, Limits, Millis, RawRecord, UserId};
use crate::exit::Exit;
use crate::pipeline::fold::engine_input;
use crate::profile::Profile;
use crate::store::lookup;

pub use jsonl::{Summary, explain_jsonl};

/// Show what the engine makes of a profile, and why.
///
/// The profile is a stored user's, that of one event in a file, or one a line on standard input. A stored user is scored
/// with the configured catalog, the others with the one that is compiled in. Exit codes: 0 explained; 1 there is no such
/// profile; 2 usage; 3 the schema is not migrated; 4 some lines were refused (with --jsonl); 75 the database is away.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub profile: ProfileSource,
    /// Write JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Which profile.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ProfileSource {
    /// The stored profile of this user; needs the database.
    #[arg(long, value_name = "ID")]
    pub user: Option<String>,
    /// One JSON event, or one case with a member "preferences"; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// One case a line on standard input, one explanation a line on standard output.
    #[arg(long)]
    pub jsonl: bool,
}

/// A profile with its segmentation, ready to be shown.
struct Explained {
    title: String,
    at: Millis,
    segmentation: Segmentation,
}

/// Explains the stored profile of a user with the configured catalog.
///
/// # Errors
/// The database refuses us, the catalog cannot be read, or the user has no profile or is not onboarded.
pub async fn explain_user(
    id: &str,
    database: &DatabaseConfig,
    catalog: &CatalogConfig,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    database::ended(explain_stored(id, database, catalog, json, out).await)
}

async fn explain_stored(
    id: &str,
    database: &DatabaseConfig,
    catalog: &CatalogConfig,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let user = UserId::new(id).ok_or_else(|| anyhow!("a user's id has 1 to 191 characters and no NUL"))?;
    let catalog = super::catalog::load(catalog)?;
    let database = match database::open(database, Access::Read).await? {
        Ok(database) => database,
        Err(schema) => return database::refuse(&schema),
    };
    let state = lookup::state(&database.pool, &user).await.context("could not read the user's state")??;
    let profile = &state.profile;
    let (Some(_), Some(at)) = (profile.onboarded(), profile.logical_time()) else {
        bail!("nothing is known of this user, or the onboarding is not completed");
    };
    show(&explain(format!("User {id}"), profile, at, &catalog), &catalog, json, out)
}

/// Explains the profile in a file: one event, or one case.
///
/// # Errors
/// The file cannot be read, or holds neither.
pub fn explain_file(
    path: &Path,
    catalog: &Catalog,
    now: Millis,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let text = read(path)?;
    let (profile, at) = profile_in(&text, now)?;
    show(&explain(format!("Profile in {}", path.display()), &profile, at, catalog), catalog, json, out)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).context("could not read standard input")?;
        return Ok(text);
    }
    std::fs::read(path).with_context(|| format!("could not read {}", path.display()))
}

/// The profile of a case (an object with `preferences` at its top), else of an event of either kind.
fn profile_in(text: &[u8], now: Millis) -> anyhow::Result<(Profile, Millis)> {
    let value: serde_json::Value = serde_json::from_slice(text).context("not JSON")?;
    let is_case = value.get("preferences").is_some() && value.get("payload").is_none() && value.get("userId").is_none();
    if is_case {
        let (sections, at) = jsonl::case(text, now).map_err(|rejection| anyhow!("{}", rejection.detail))?;
        return Ok((jsonl::profile_of(sections, at), at));
    }
    let payload = value.get("payload").unwrap_or(&value);
    let kind = if payload.get("updatedAt").is_some() { Kind::ProfileUpdated } else { Kind::OnboardingCompleted };
    let record = RawRecord {
        kind,
        topic: "file",
        partition: 0,
        offset: 0,
        key: None,
        value: Some(text),
        timestamp: Some(now.0),
        traceparent: None,
    };
    match event::decode(&record, &Limits::default()) {
        Decoded::Event(event) => {
            let at = event.stamp.time;
            let (Body::Onboarding(sections) | Body::Update(sections)) = event.body else { bail!("a tombstone") };
            Ok((jsonl::profile_of(sections, at), at))
        }
        Decoded::Skipped(skip) => bail!("the event would be skipped: {}", skip.as_str()),
        Decoded::Rejected(rejection) => {
            bail!("the event would be rejected: {}: {}", rejection.reason.as_str(), rejection.detail)
        }
    }
}

fn explain(title: String, profile: &Profile, at: Millis, catalog: &Catalog) -> Explained {
    Explained { title, at, segmentation: engine::segment(&engine_input(profile, at), catalog) }
}

fn show(explained: &Explained, catalog: &Catalog, json: bool, out: &mut impl Write) -> anyhow::Result<Exit> {
    if json {
        writeln!(out, "{}", jsonl::to_json(&explained.segmentation, catalog))?;
    } else {
        table::write(explained, catalog, out)?;
    }
    Ok(Exit::Ok)
}
