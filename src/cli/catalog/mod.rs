//! `segmenter catalog`: shows, checks and compares catalogs, and simulates one on the stored profiles.

mod simulate;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::follow_up::{WithNext, quoted};
use super::settings::{catalog_in, catalog_text};
use super::table::{print, printable};
use crate::checks::simulate::report::CatalogName;
use crate::config::CatalogConfig;
use crate::domain::scoring::{Catalog, Difference, differences};
use crate::runtime::exit::Exit;

pub use simulate::{SimulateArgs, run as simulate};

/// Show, check, compare or simulate a catalog of segments.
///
/// docs/catalogs.md takes a catalog from an idea to a rollout, and back.
#[derive(Debug, Args)]
pub struct CatalogCommand {
    #[command(subcommand)]
    pub action: CatalogAction,
}

#[derive(Debug, Subcommand)]
pub enum CatalogAction {
    /// Print the configured catalog, as its file.
    ///
    /// A new catalog begins as a copy of it.
    ///
    /// Exit codes: 0 printed; 1 the file cannot be read or is not valid; 2 usage.
    Show(ShowArgs),
    /// Validate a catalog: every mistake with its place.
    ///
    /// Needs neither a database nor Kafka.
    ///
    /// Exit codes: 0 valid; 1 the file cannot be read; 2 usage; 4 mistakes.
    Check(CheckArgs),
    /// List the differences between two catalogs in words.
    ///
    /// Needs neither a database nor Kafka.
    ///
    /// Exit codes: 0 compared; 1 a file cannot be read or is not valid; 2 usage.
    Diff(DiffArgs),
    Simulate(SimulateArgs),
}

#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Another catalog than the configured one.
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Write its content and its hash as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The catalog to validate; default: the configured one.
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    #[command(flatten)]
    compared: Compared,
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Two catalogs.
#[derive(Debug, Args)]
struct Compared {
    /// The new catalog.
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// The catalog before; default: the configured one.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

impl Compared {
    /// The catalog before, and the new one.
    fn read(&self, config: &CatalogConfig) -> anyhow::Result<(Catalog, Catalog)> {
        Ok((catalog_in(either(self.from.as_ref(), config))?, catalog_in(Some(&self.catalog))?))
    }
}

/// The command that shows the effect of a new catalog.
fn to_simulate(new: &Path, from: Option<&PathBuf>) -> String {
    let from = from.map(|from| format!(" --from {}", quoted(&from.to_string_lossy()))).unwrap_or_default();
    format!("segmenter catalog simulate --catalog {}{from}", quoted(&new.to_string_lossy()))
}

fn either<'p>(given: Option<&'p PathBuf>, config: &'p CatalogConfig) -> Option<&'p Path> {
    given.or(config.file.as_ref()).map(PathBuf::as_path)
}

/// Prints a catalog.
///
/// # Errors
/// It cannot be read or is not valid, or `out` cannot be written to.
pub fn show(args: &ShowArgs, config: &CatalogConfig, out: &mut impl Write) -> anyhow::Result<Exit> {
    let file = either(args.catalog.as_ref(), config);
    let (text, catalog) = (catalog_text(file)?, catalog_in(file)?);
    if args.json {
        let content: serde_json::Value = toml::from_str(&text).context("could not read the catalog again")?;
        print(&json!({"hash": CatalogName::of(&catalog).hash, "catalog": content}), true, out)?;
    } else {
        out.write_all(text.as_bytes())?;
    }
    Ok(Exit::Ok)
}

/// Validates a catalog.
///
/// # Errors
/// It cannot be read, or `out` cannot be written to.
pub fn check(args: &CheckArgs, config: &CatalogConfig, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (valid, mistakes) = match Catalog::parse(&catalog_text(either(args.catalog.as_ref(), config))?) {
        Ok(catalog) => (Some(catalog), Vec::new()),
        Err(errors) => (None, errors.0),
    };
    let name = valid.as_ref().map(CatalogName::of);
    let next = args.catalog.as_ref().filter(|_| name.is_some()).map(|new| to_simulate(new, None));
    if args.json {
        let report = json!({"ok": name.is_some(), "catalog": name, "mistakes": mistakes});
        print(&WithNext { next, report }, true, out)?;
    } else if let Some(CatalogName { version, hash }) = &name {
        writeln!(out, "the catalog is valid: version {version}, hash {hash}")?;
        next.map_or(Ok(()), |next| writeln!(out, "next: {next}"))?;
    } else {
        for line in mistakes.iter().flat_map(|mistake| mistake.lines()) {
            writeln!(out, "{}", printable(line))?;
        }
    }
    Ok(if name.is_some() { Exit::Ok } else { Exit::Findings })
}

#[derive(Debug, Serialize)]
struct DiffReport {
    from: CatalogName,
    to: CatalogName,
    differences: Vec<Difference>,
}

/// Compares two catalogs.
///
/// # Errors
/// One of them cannot be read or is not valid, or `out` cannot be written to.
pub fn diff(args: &DiffArgs, config: &CatalogConfig, out: &mut impl Write) -> anyhow::Result<Exit> {
    let (old, new) = args.compared.read(config)?;
    let report =
        DiffReport { from: CatalogName::of(&old), to: CatalogName::of(&new), differences: differences(&old, &new) };
    let Compared { catalog, from } = &args.compared;
    let next = (!report.differences.is_empty()).then(|| to_simulate(catalog, from.as_ref()));
    print(&WithNext { next, report }, args.json, out)?;
    Ok(Exit::Ok)
}
