//! The catalog that is configured.

use anyhow::Context as _;

use crate::config::CatalogConfig;
use crate::engine::Catalog;

/// Reads the catalog of the configured file, else gives the one that is compiled in.
///
/// # Errors
/// The file cannot be read, or what is in it is no valid catalog.
pub(super) fn load(config: &CatalogConfig) -> anyhow::Result<Catalog> {
    let Some(file) = &config.file else { return Ok(Catalog::builtin()?) };
    let text =
        std::fs::read_to_string(file).with_context(|| format!("could not read the catalog {}", file.display()))?;
    Catalog::parse(&text).with_context(|| format!("in {}", file.display()))
}
