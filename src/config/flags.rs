//! The settings as flags of `serve`.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

use super::setting::Setting;
use super::table::SETTINGS;
use super::value::Shape;

/// The flags given to `serve`: the text of a setting, or, for a secret, the path of its file.
#[derive(Debug, Clone, Default)]
pub struct SettingFlags(pub Vec<(&'static Setting, String)>);

impl SettingFlags {
    /// These, and the text of the setting `key`.
    #[must_use]
    pub fn with(mut self, key: &str, text: String) -> Self {
        self.0.extend(SETTINGS.iter().find(|setting| setting.key == key).map(|setting| (setting, text)));
        self
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.args(SETTINGS.iter().filter_map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The flag of one setting, if it has any; only `--help` shows it.
fn argument(setting: &'static Setting) -> Option<Arg> {
    let is_secret = setting.shape == Shape::Secret;
    let mut help = setting.help.clone();
    if let Some((least, greatest)) = setting.range {
        help += &format!(" From {least} to {greatest}.");
    }
    if is_secret {
        help += " The path of a file that holds it.";
    }
    if let Some(name) = if is_secret { &setting.env_file } else { &setting.env } {
        help += &format!(" [env: {name}]");
    }
    if let Some(default) = setting.default {
        help += &format!(" [default: {default}]");
    }
    let value_name = match setting.kind.split(' ').next()? {
        _ if is_secret => "FILE".to_owned(),
        "one" => "WORD".to_owned(),
        kind => kind.to_uppercase(),
    };
    let argument = Arg::new(setting.key)
        .long(setting.flag.clone()?)
        .value_name(value_name)
        .help(help)
        .help_heading("Settings")
        .hide_short_help(true);
    Some(if setting.shape == Shape::Switch {
        argument.num_args(0..=1).require_equals(true).default_missing_value("true")
    } else {
        argument
    })
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let flags = SETTINGS
            .iter()
            .filter(|setting| setting.flag.is_some())
            .filter_map(|setting| Some((setting, matches.get_one::<String>(setting.key)?.clone())));
        Ok(Self(flags.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
