//! `segmenter catalog simulate`: the segments that another catalog would give. Reads only.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::Compared;
use crate::checks::simulate::{self, Catalogs, html};
use crate::cli::database::{self, Access};
use crate::cli::follow_up::WithNext;
use crate::cli::progress::Bar;
use crate::cli::table::print;
use crate::config::{CatalogConfig, DatabaseConfig};
use crate::domain::sample::Sample;
use crate::runtime::exit::Exit;

/// Score stored profiles with another catalog; nothing is written.
///
/// Reports who would move from which primary segment to which, the distribution before and after, how sure primary
/// segments are (the margin to the second best), what moved users, and examples with reasons.
/// Progress is shown on standard error.
///
/// Safe beside the live service: it only reads, page by page, in short statements; a standby suffices. Memory does not
/// grow with the number of users.
///
/// Exit codes: 0 done; 1 failure, or a catalog is not valid; 2 usage; 3 the schema is not migrated; 75 the database is
/// unavailable.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    #[command(flatten)]
    compared: Compared,
    /// Only this share of the users, such as 1%.
    ///
    /// Chosen by a hash of the user's id: the same users at every run, and a larger sample contains a smaller one.
    #[arg(long, value_name = "PERCENT", default_value_t = Sample::ALL)]
    sample: Sample,
    /// Also write the report as one page, without script, which opens in any browser.
    ///
    /// An existing file is replaced. The page has user ids: it is readable by you only.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Maximum examples.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Write JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Simulates, and writes the report to `out`.
///
/// # Errors
/// A catalog or the database cannot be read, or `out` cannot be written to.
pub async fn run(
    args: &SimulateArgs,
    database: &DatabaseConfig,
    config: &CatalogConfig,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let (present, candidate) = args.compared.read(config)?;
    // Before the work, so that a path that cannot be written to does not waste it.
    let page = args.html.as_deref().map(|path| create(path).with_context(|| unwritable(path))).transpose()?;
    let database = database::open(database, Access::Read).await?;
    let catalogs = Catalogs { present: &present, candidate: &candidate };
    let mut bar = Bar::new("simulate", false);
    let show = |passed: u64, expected: u64| bar.show(passed, expected, format!("{passed} of about {expected}"));
    let simulated = simulate::simulate(&database.pool, catalogs, args.sample, args.limit, show).await;
    bar.end();
    let report = simulated.context("could not read the stored profiles")?;
    if let Some((mut page, path)) = page.zip(args.html.as_deref()) {
        page.write_all(html::page(&report).as_bytes()).with_context(|| unwritable(path))?;
    }
    let next = (report.other_ranking > 0).then(|| {
        let accept = if report.moved_percent > config.max_shift.0 { " --accept-shift" } else { "" };
        format!("segmenter recompute --execute{accept}")
    });
    print(&WithNext { next, report }, args.json, out)?;
    Ok(Exit::Ok)
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn unwritable(path: &Path) -> String {
    format!("could not write {}", path.display())
}
