//! `segmenter user explain`: the segments of a stored profile, with their reasons.

use std::io::Write;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::cli::database::{self, Access};
use crate::cli::explain::ExplainReport;
use crate::cli::table::print;
use crate::cli::{settings, user_ids};
use crate::config::{CatalogConfig, DatabaseConfig};
use crate::domain::event::UserId;
use crate::runtime::exit::Exit;
use crate::store::lookup;

/// Show the segments of a user's stored profile, with their reasons.
///
/// The profile is scored with the configured catalog.
///
/// Exit codes: 0 explained; 1 no such profile; 2 usage; 3 the schema is not migrated; 75 PostgreSQL is unavailable.
#[derive(Debug, Args)]
pub struct ExplainUserArgs {
    /// The user's id.
    #[arg(value_parser = user_ids::parse)]
    id: UserId,
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Explains the stored profile of a user with the configured catalog.
///
/// # Errors
/// The database refuses the query, the catalog cannot be read, or the user has no profile or is not onboarded.
pub async fn run(
    args: &ExplainUserArgs,
    database: &DatabaseConfig,
    catalog: &CatalogConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let catalog = settings::catalog(catalog)?;
    let database = database::open(database, Access::Read).await?;
    let state = lookup::state(&database.pool, &args.id).await.context("could not read the user's state")??;
    let profile = &state.profile;
    let (Some(_), Some(at)) = (profile.onboarded(), profile.logical_time()) else {
        bail!("nothing is stored of this user, or the onboarding is not completed");
    };
    print(&ExplainReport::of(profile, at, &catalog), args.json, out)?;
    Ok(Exit::Ok)
}
