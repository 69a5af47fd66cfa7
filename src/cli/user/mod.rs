//! `segmenter user`: shows the stored data of one user, explains the segments, erases the user.

mod erase;
mod explain;
mod show;

use clap::{Args, Subcommand};

pub use erase::run as erase;

pub(crate) use erase::EraseArgs;
pub(crate) use explain::ExplainUserArgs;
pub use explain::run as explain;
pub(crate) use show::ShowArgs;
pub use show::run as show;

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
