//! The settings as flags of `serve`, made from their table.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, Error, FromArgMatches};

use super::setting::Setting;
use super::sources::FlagValue;
use super::table::SETTINGS;

/// One flag a setting.
#[derive(Debug, Clone, Default)]
pub struct SettingFlags(pub Vec<FlagValue>);

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().filter_map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The flag of one setting, if it has any.
fn argument(setting: &'static Setting) -> Option<Arg> {
    let flag = setting.flag()?;
    let mut help = setting.help.clone();
    if let Some((least, greatest)) = setting.range {
        help += &format!(" From {least} to {greatest}.");
    }
    if setting.secret {
        help += " The path of a file that holds it.";
    }
    let env = if setting.secret { setting.env_file() } else { setting.env().map(str::to_owned) };
    if let Some(name) = env {
        help += &format!(" [env: {name}]");
    }
    if let Some(default) = setting.default {
        help += &format!(" [default: {default}]");
    }
    let value_name = if setting.secret { "FILE".to_owned() } else { setting.kind.split(' ').next()?.to_uppercase() };
    let argument = Arg::new(setting.key)
        .long(flag)
        .value_name(if setting.kind.starts_with("one of") { "WORD".to_owned() } else { value_name })
        .help(help)
        .help_heading("Settings")
        .hide_short_help(true)
        .action(ArgAction::Set);
    Some(if setting.switch {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument
    })
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let flags = SETTINGS.iter().filter(|setting| setting.flag().is_some()).filter_map(|setting| {
            let text = matches.get_one::<String>(setting.key)?.clone();
            Some(FlagValue { setting, text })
        });
        Ok(Self(flags.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
