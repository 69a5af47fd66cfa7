//! `segmenter completions`: a script with which a shell completes commands and flags.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::runtime::exit::Exit;

/// Print the completion script of a shell.
///
/// Example: `segmenter completions bash > ~/.local/share/bash-completion/completions/segmenter`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the completion script of `program`.
///
/// # Errors
/// The output cannot be written.
pub fn run(args: &CompletionsArgs, mut program: Command, out: &mut impl Write) -> io::Result<Exit> {
    // The generator panics on a write error, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "segmenter", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Ok)
}
