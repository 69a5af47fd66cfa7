//! `segmenter schema`: prints the contracts, checks this program's schemas against a registry, and registers them.

mod asyncapi;
mod check;
mod print;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::failure::ends;
use crate::codec::segment_changed::avro;
use crate::config::{HttpUrl, RegistryConfig, TopicsConfig};
use crate::publish::output_schema::subject;
use crate::registry::Failure;
use crate::runtime::exit::Exit;

/// Print the contracts; check or register the Avro schemas.
#[derive(Debug, Args)]
pub struct SchemaCommand {
    #[command(subcommand)]
    pub action: SchemaAction,
}

#[derive(Debug, Subcommand)]
pub enum SchemaAction {
    Check(CheckArgs),
    Register(RegisterArgs),
    Print(PrintArgs),
}

/// Check before a deploy that the registered schemas are compatible.
///
/// For the input topics, this program's schema must read records of every registered version. For segment-changed it
/// must, and every registered version must read this program's records. A subject is the topic's name with -value.
/// Nothing is changed.
///
/// Exit codes: 0 compatible, or nothing registered yet; 2 usage; 4 not compatible, one finding per line; 75 the
/// registry is unavailable.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Address of a registry, or a folder of schemas. Default: the configured registry.
    ///
    /// The registry is asked with the configured credentials. The folder has a file SUBJECT.avsc or
    /// SUBJECT-VERSION.avsc for each version.
    #[arg(long, value_name = "URL|DIR")]
    against: Option<Against>,
    /// Write one JSON object per line.
    #[arg(long)]
    json: bool,
}

/// Register this program's schemas where they are missing.
///
/// Without --inputs only that of segment-changed: the schemas of the input topics belong to their producers.
///
/// Exit codes: 0 all are registered; 2 usage; 3 the registry refuses one; 75 the registry is unavailable.
#[derive(Debug, Args)]
pub struct RegisterArgs {
    /// Also register the schemas of the input topics.
    #[arg(long)]
    inputs: bool,
}

/// Print a contract, as in the folder `schemas`.
///
/// AsyncAPI has the topics of this configuration, OpenAPI the HTTP API; the others are the JSON Schemas of events.
#[derive(Debug, Args)]
pub struct PrintArgs {
    contract: Contract,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Contract {
    Asyncapi,
    Openapi,
    OnboardingCompleted,
    ProfileUpdated,
    SegmentChanged,
}

/// The place of the schemas to compare with.
#[derive(Debug, Clone)]
enum Against {
    Registry(HttpUrl),
    Folder(PathBuf),
}

impl std::str::FromStr for Against {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains("://") { text.parse().map(Self::Registry) } else { Ok(Self::Folder(text.into())) }
    }
}

/// Whether this program reads or writes the records of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Reads,
    Writes,
}

/// A subject of this program.
struct Ours {
    subject: String,
    schema: &'static str,
    used: Use,
}

fn ours(topics: &TopicsConfig) -> [Ours; 3] {
    let ours = |topic: &crate::config::TopicName, schema, used| Ours { subject: subject(topic.as_str()), schema, used };
    [
        ours(&topics.onboarding_completed, include_str!("../../../schemas/onboarding-completed.avsc"), Use::Reads),
        ours(&topics.profile_updated, include_str!("../../../schemas/profile-updated.avsc"), Use::Reads),
        ours(&topics.segment_changed, avro::SCHEMA, Use::Writes),
    ]
}

/// Checks, registers or prints.
///
/// # Errors
/// `out` cannot be written to, the configured authorities cannot be used, or the registry is unavailable or refuses us.
pub async fn run(
    action: &SchemaAction,
    registry: &RegistryConfig,
    topics: &TopicsConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    match action {
        SchemaAction::Check(args) => check::run(args, registry, topics, out).await,
        SchemaAction::Register(args) => register(args, registry, topics, out).await,
        SchemaAction::Print(args) => print::run(args, topics, out),
    }
}

async fn register(
    args: &RegisterArgs,
    registry: &RegistryConfig,
    topics: &TopicsConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let Some(registry) = super::settings::registry(registry)? else {
        return Err(ends(Exit::Usage, "no registry is configured: set registry.url (SCHEMA_REGISTRY_URL)"));
    };
    for ours in ours(topics).iter().filter(|ours| args.inputs || ours.used == Use::Writes) {
        let id = registry.client().register(&ours.subject, ours.schema).await;
        writeln!(out, "{}: schema id {}", ours.subject, id.map_err(|failure| failed(&ours.subject, &failure))?)?;
    }
    Ok(Exit::Ok)
}

fn failed(subject: &str, failure: &Failure) -> anyhow::Error {
    match failure {
        Failure::Unavailable(_) => {
            ends(Exit::DependencyUnavailable, format!("the schema registry is unavailable: {failure}"))
        }
        Failure::NotFound(_) | Failure::Refused(_) => ends(Exit::Refused, format!("{subject}: {failure}")),
    }
}
