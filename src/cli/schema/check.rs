//! `segmenter schema check`: compares registered schemas with those of this program.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use schema_registry_converter::schema_registry_common::SchemaType;
use serde_json::json;

use super::{Against, CheckArgs, Ours, Use, failed, ours};
use crate::cli::failure::ends;
use crate::cli::settings;
use crate::config::{RegistryConfig, TopicsConfig};
use crate::registry::{Client, Failure};
use crate::runtime::exit::Exit;

/// A version of a subject, as registered or in a folder.
struct Theirs {
    version: String,
    /// The schema, or the reason why it cannot be compared.
    schema: Result<Schema, String>,
}

pub(super) async fn run(
    args: &CheckArgs,
    config: &RegistryConfig,
    topics: &TopicsConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let configured = config.url.clone().map(Against::Registry);
    let Some(against) = args.against.clone().or(configured) else {
        return Err(ends(Exit::Usage, "nothing to check against: give --against, or configure a registry"));
    };
    let client = match &against {
        Against::Registry(url) => Some(settings::registry_at(config, url.as_str())?),
        Against::Folder(folder) if !folder.is_dir() => {
            return Err(ends(Exit::Usage, format!("{} is not a folder", folder.display())));
        }
        Against::Folder(_) => None,
    };
    let mut exit = Exit::Ok;
    for ours in &ours(topics) {
        let versions = match (&client, &against) {
            (Some(client), _) => in_registry(client, &ours.subject).await,
            (None, Against::Folder(folder)) => Ok(in_folder(folder, &ours.subject)?),
            (None, Against::Registry(_)) => Ok(Vec::new()),
        };
        let versions = versions.map_err(|failure| failed(&ours.subject, &failure))?;
        if !report(ours, &versions, args.json, out)? {
            exit = Exit::Findings;
        }
    }
    Ok(exit)
}

async fn in_registry(client: &Client, subject: &str) -> Result<Vec<Theirs>, Failure> {
    let mut versions = Vec::new();
    for (version, registered) in client.versions(subject).await? {
        let schema = match registered.schema_type {
            SchemaType::Avro => {
                let others = client.referenced(&registered.references).await?;
                let parsed = Schema::parse_str_with_list(&registered.schema, others);
                parsed.map(|(schema, _)| schema).map_err(|error| error.to_string())
            }
            _ => Err("it is not an Avro schema".to_owned()),
        };
        versions.push(Theirs { version: version.to_string(), schema });
    }
    Ok(versions)
}

/// The files `SUBJECT.avsc` and `SUBJECT-VERSION.avsc`; the subject's suffix `-value` is optional.
fn in_folder(folder: &Path, subject: &str) -> anyhow::Result<Vec<Theirs>> {
    let cannot_read = || format!("cannot read {}", folder.display());
    let bare = subject.strip_suffix("-value").unwrap_or(subject);
    let mut versions = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(cannot_read)? {
        let path = entry.with_context(cannot_read)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".avsc")) else { continue };
        let is_of = |subject: &str| {
            let Some(rest) = name.strip_prefix(subject) else { return false };
            let is_number = |version: &str| version.bytes().all(|byte| byte.is_ascii_digit());
            rest.is_empty() || rest.strip_prefix('-').is_some_and(is_number)
        };
        if !is_of(subject) && !is_of(bare) {
            continue;
        }
        let text = std::fs::read_to_string(&path).with_context(cannot_read)?;
        versions.push(Theirs {
            version: name.to_owned(),
            schema: Schema::parse_str(&text).map_err(|error| error.to_string()),
        });
    }
    versions.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(versions)
}

/// Reports on one subject; returns whether all of its versions are compatible.
fn report(ours: &Ours, versions: &[Theirs], json: bool, out: &mut impl Write) -> anyhow::Result<bool> {
    let schema = Schema::parse_str(ours.schema).context("this program's own schema")?;
    if versions.is_empty() && !json {
        writeln!(out, "{}: nothing is registered yet", ours.subject)?;
    }
    let mut compatible = true;
    for theirs in versions {
        let problems = match &theirs.schema {
            Ok(theirs) => problems(&schema, theirs, ours.used),
            Err(why) => vec![format!("it cannot be compared: {why}")],
        };
        compatible &= problems.is_empty();
        if json {
            let line = json!({
                "subject": ours.subject, "version": theirs.version, "compatible": problems.is_empty(), "problems": problems,
            });
            writeln!(out, "{line}")?;
        } else if problems.is_empty() {
            writeln!(out, "{} version {}: compatible", ours.subject, theirs.version)?;
        }
        for problem in problems.iter().filter(|_| !json) {
            writeln!(out, "{} version {}: not compatible: {problem}", ours.subject, theirs.version)?;
        }
    }
    Ok(compatible)
}

/// The incompatibilities of a version with ours, one line each; empty if they are compatible.
fn problems(ours: &Schema, theirs: &Schema, used: Use) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = SchemaCompatibility::can_read(theirs, ours) {
        problems.push(format!("records written with it cannot be read with ours: {error}"));
    }
    if used == Use::Writes
        && let Err(error) = SchemaCompatibility::can_read(ours, theirs)
    {
        problems.push(format!("consumers that use it cannot read our records: {error}"));
    }
    problems
}
