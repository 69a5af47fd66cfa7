//! `segmenter config`: the settings with their origins and problems, and the generated pages.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};

use crate::config::{self, Problems, Resolved};
use crate::runtime::exit::Exit;
use crate::telemetry::metrics;

/// Check or show the configuration.
#[derive(Debug, Args)]
pub struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List every problem of the configuration.
    ///
    /// Exit codes: 0 no problems; 2 problems.
    Check,
    /// Show every setting with its value and origin, without secrets.
    ///
    /// Exit codes: 0 no problems; 2 problems.
    Show,
    /// Print a page that is generated from the program.
    ///
    /// The pages are docs/config.md and docs/metrics.md.
    Docs {
        /// The page.
        page: Page,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    Settings,
    Metrics,
}

/// Runs the command: pages and settings go to `out`, problems to `errors`.
///
/// # Errors
/// One of the two cannot be written to.
pub fn run(
    command: &ConfigCommand,
    resolved: &Resolved,
    out: &mut impl Write,
    errors: &mut impl Write,
) -> anyhow::Result<Exit> {
    match &command.action {
        Action::Check => match resolved.config() {
            Ok(_) => {
                writeln!(out, "the configuration is valid")?;
                Ok(Exit::Ok)
            }
            Err(problems) => list(&problems, errors),
        },
        Action::Show => {
            write!(out, "{}", resolved.show())?;
            match resolved.config() {
                Ok(_) => Ok(Exit::Ok),
                Err(problems) => list(&problems, errors),
            }
        }
        Action::Docs { page } => {
            let page = match page {
                Page::Settings => config::markdown(),
                Page::Metrics => metrics::markdown()?,
            };
            write!(out, "{page}")?;
            Ok(Exit::Ok)
        }
    }
}

fn list(problems: &Problems, errors: &mut impl Write) -> anyhow::Result<Exit> {
    writeln!(errors, "{problems}")?;
    Ok(Exit::Usage)
}
