//! How many examples a report lists, and the command that follows it.

use clap::Args;
use serde::Serialize;

/// The option of every report with examples.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ExamplesArgs {
    /// Maximum examples of a finding.
    ///
    /// All findings are counted.
    #[arg(long, value_name = "N", default_value_t = Self::default().limit)]
    pub limit: usize,
}

impl Default for ExamplesArgs {
    fn default() -> Self {
        Self { limit: 10 }
    }
}

/// A report with the command that follows from it.
#[derive(Debug, Serialize)]
pub(super) struct WithNext<R> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    #[serde(flatten)]
    pub report: R,
}

/// An option that the next command does not have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Without {
    Flag(&'static str),
    /// With a value.
    Option(&'static str),
}

/// This command again, without some options and with others.
pub(super) fn again(without: &[Without], with: &[&str]) -> String {
    // An argument that is not text has been refused by now.
    repeat(std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()), without, with)
}

/// This command, executed.
pub(super) fn execute() -> String {
    again(&[Without::Option("--sample")], &["--execute"])
}

/// The last line of a dry run in words.
pub(super) fn nothing_was_changed() -> String {
    format!("Nothing was changed. Next: {}", execute())
}

fn repeat(mut arguments: impl Iterator<Item = String>, without: &[Without], with: &[&str]) -> String {
    let mut command = "segmenter".to_owned();
    let mut push = |argument: &str| {
        command.push(' ');
        command.push_str(&quoted(argument));
    };
    while let Some(argument) = arguments.next() {
        let is_this = |one: &&Without| match **one {
            Without::Flag(name) => argument == name,
            Without::Option(name) => {
                argument.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
            }
        };
        match without.iter().find(is_this) {
            Some(Without::Option(name)) if argument == *name => drop(arguments.next()),
            Some(_) => {}
            None => push(&argument),
        }
    }
    with.iter().for_each(|argument| push(argument));
    command
}

/// The argument for a shell: in quotes, unless each of its characters stands for itself.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "-_=+,.:/@%".contains(one);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(arguments: &[&str], without: &[Without], with: &[&str]) -> String {
        repeat(arguments.iter().map(|argument| (*argument).to_owned()), without, with)
    }

    #[test]
    fn the_next_command_is_this_one_with_other_options_quoted_for_a_shell() {
        let without = [Without::Option("--sample"), Without::Flag("--topic")];
        for (arguments, expected) in [
            (&["backfill", "--all"][..], "segmenter backfill --all --execute"),
            (&["backfill", "--sample", "1%", "--all"], "segmenter backfill --all --execute"),
            (&["backfill", "--sample=1%", "--json"], "segmenter backfill --json --execute"),
            (&["verify", "--topic", "--samples", "1"], "segmenter verify --samples 1 --execute"),
            (&["user", "erase", "o'neill x", ""], r"segmenter user erase 'o'\''neill x' '' --execute"),
        ] {
            assert_eq!(next(arguments, &without, &["--execute"]), expected);
        }
    }
}
