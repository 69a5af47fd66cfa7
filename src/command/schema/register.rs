//! `segmenter schema register`.

use std::io::Write;

use super::{RegisterArgs, Use, failed, ours, usage};
use crate::command::registry;
use crate::config::{RegistryConfig, TopicsConfig};
use crate::exit::Exit;

pub(super) async fn run(
    args: &RegisterArgs,
    config: &RegistryConfig,
    topics: &TopicsConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let Some(registry) = registry::open(config)? else {
        return usage("no registry is configured: set registry.url (SCHEMA_REGISTRY_URL)");
    };
    for ours in ours(topics).iter().filter(|ours| args.inputs || ours.used == Use::Writes) {
        match registry.client().register(&ours.subject, ours.schema).await {
            Ok(id) => writeln!(out, "{}: schema id {id}", ours.subject)?,
            Err(failure) => return failed(&ours.subject, &failure),
        }
    }
    Ok(Exit::Ok)
}
