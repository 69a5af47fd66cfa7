//! `segmenter completions`: what a shell needs to complete commands and flags.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_complete::Shell;

use crate::runtime::exit::Exit;

/// Print the completions for a shell.
///
/// For example `segmenter completions bash > ~/.local/share/bash-completion/completions/segmenter`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Writes the completions of `program`.
///
/// # Errors
/// The output cannot be written.
pub fn run(args: &CompletionsArgs, mut program: Command, out: &mut impl Write) -> io::Result<Exit> {
    // The generator panics where it cannot write, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "segmenter", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Ok)
}
