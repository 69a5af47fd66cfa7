//! `segmenter explain`: the segments of a profile, with their reasons.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;

use super::table::print;
use crate::codec::{Decoded, Limits, RawRecord, decode};
use crate::domain::event::{Body, Kind, Millis};
use crate::domain::profile::Profile;
use crate::domain::scoring::Catalog;
use crate::runtime::exit::Exit;

pub(crate) use crate::users::explain::ExplainReport;
use crate::users::explain_lines;
pub use crate::users::explain_lines::explain_jsonl;

/// Show the segments of a profile, with their reasons.
///
/// The profile is read from one event in a file, or one per line from standard input, and scored with the built-in
/// catalog. `segmenter user explain` explains a stored profile.
///
/// Exit codes: 0 explained; 1 failure; 2 usage; 4 some lines were refused (with --jsonl).
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    pub profile: ProfileSource,
    /// Write JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// The profile to explain.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ProfileSource {
    /// One JSON event, or one case with a member "preferences"; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Read one case per line from standard input, write one explanation per line.
    #[arg(long)]
    pub jsonl: bool,
}

/// Explains the profile in a file: one event, or one case.
///
/// # Errors
/// The file cannot be read, or holds neither of them.
pub fn explain_file(
    path: &Path,
    catalog: &Catalog,
    now: Millis,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let text = read(path)?;
    let (profile, at) = profile_in(&text, now)?;
    print(&ExplainReport::of(&profile, at, catalog), json, out)?;
    Ok(Exit::Ok)
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
        let (sections, at) = explain_lines::case(text, now).map_err(|rejection| anyhow!("{}", rejection.detail))?;
        return Ok((explain_lines::profile_of(sections, at), at));
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
    match decode(&record, &Limits::default()) {
        Decoded::Event(event) => {
            let at = event.stamp.time;
            let (Body::Onboarding(sections) | Body::Update(sections)) = event.body else { bail!("a tombstone") };
            Ok((explain_lines::profile_of(sections, at), at))
        }
        Decoded::Skipped(skip) => bail!("the event would be skipped: {}", skip.as_str()),
        Decoded::Rejected(rejection) => {
            bail!("the event would be rejected: {}: {}", rejection.reason.as_str(), rejection.detail)
        }
    }
}
