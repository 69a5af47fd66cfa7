//! `segmenter user`: shows the stored data of one user, explains the segments, erases the user.

mod erase;
mod explain;
mod show;

use clap::{Args, Subcommand};

pub use erase::{EraseArgs, run as erase};
pub use explain::{ExplainUserArgs, run as explain};
pub use show::{ShowArgs, run as show};

/// Show, explain or erase one user.
#[derive(Debug, Args)]
pub struct UserCommand {
    #[command(subcommand)]
    pub action: UserAction,
}

#[derive(Debug, Subcommand)]
pub enum UserAction {
    Show(ShowArgs),
    Explain(ExplainUserArgs),
    Erase(EraseArgs),
}
