//! `segmenter user`: what is stored of one user, why the user has these segments, and erasing the user.

mod content;
mod erase;
mod forget;
mod plan;
mod show;
mod table;

use clap::{Args, Subcommand};

pub use forget::{ForgetArgs, run as forget};
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
    Forget(ForgetArgs),
}

/// Show what the engine makes of the user's stored profile, and why; the same as `segmenter explain --user ID`.
///
/// Exit codes: 0 explained; 1 there is no such profile; 2 usage; 3 the schema is not migrated; 75 the database is away.
#[derive(Debug, Args)]
pub struct ExplainUserArgs {
    /// The user's id.
    pub id: String,
    /// Write JSON instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// The user with this id.
///
/// # Errors
/// It is no id that a user can have.
fn user_id(id: &str) -> anyhow::Result<crate::event::UserId> {
    crate::event::UserId::new(id).ok_or_else(|| anyhow::anyhow!("a user's id has 1 to 191 characters and no NUL"))
}
