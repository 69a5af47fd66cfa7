//! The layers put together: every setting's text and its origin; and typed values read from these texts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::problem::{Problem, Problems, printable, unknown};
use super::setting::{ENV_PREFIX, Setting, SettingFlags};
use super::table::{Config, SETTINGS};
use super::value::{Shape, Value};
use super::{Section, file};

/// The variable that names the configuration file.
const CONFIG_ENV: &str = "SEGMENTER_CONFIG";

/// The layers above the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file of `--config`; `SEGMENTER_CONFIG` counts where there is none.
    pub file: Option<PathBuf>,
    pub env: Vec<(OsString, OsString)>,
    pub flags: SettingFlags,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Env(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::Env(name) => write!(formatter, "env {name}"),
            Self::Flag(name) => write!(formatter, "flag --{name}"),
        }
    }
}

/// Every setting's effective text, with the problems met on the way. Not `Debug`: the texts of secrets are in it.
#[derive(Default)]
pub struct Resolved {
    values: BTreeMap<&'static str, (String, Origin)>,
    /// Settings whose effective value could not be read, already reported.
    faulty: BTreeSet<&'static str>,
    /// The file is damaged: a missing value may be in the lost part.
    pub(super) damaged: bool,
    pub(super) problems: Vec<Problem>,
}

impl Sources {
    /// The layers of this process.
    pub fn of_process(file: Option<PathBuf>, flags: SettingFlags) -> Self {
        Self { file, env: std::env::vars_os().collect(), flags }
    }

    /// Puts the layers together. Problems are kept for [`Resolved::read`].
    pub fn resolve(&self) -> Resolved {
        let mut resolved = Resolved::default();
        for setting in SETTINGS.iter() {
            if let Some(text) = setting.default {
                resolved.set(setting, text.into(), Origin::Default);
            }
        }
        let env = resolved.read_variables(&self.env);
        let from_env = env.get(CONFIG_ENV).map(PathBuf::from);
        if let Some(path) = self.file.as_ref().or(from_env.as_ref()) {
            file::apply(path, &mut resolved);
        }
        resolved.apply_env(&env);
        for (setting, text) in &self.flags.0 {
            let origin = Origin::Flag(setting.flag.clone().unwrap_or_default());
            if setting.shape == Shape::Secret {
                resolved.set_from_file(setting, Path::new(text), origin);
            } else {
                resolved.set(setting, text.clone(), origin);
            }
        }
        resolved
    }
}

impl Resolved {
    /// The whole configuration, or every problem it has.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn config(&self) -> Result<Config, Problems> {
        self.read()
    }

    /// The part of the configuration that a command needs; the other parts may be absent or wrong.
    ///
    /// # Errors
    /// Every problem of the file, the environment and that part.
    pub fn read<T: Section>(&self) -> Result<T, Problems> {
        let mut reader = Reader { resolved: self, problems: self.problems.clone() };
        match T::read(&mut reader) {
            Some(value) if reader.problems.is_empty() => Ok(value),
            _ => Err(Problems(reader.problems)),
        }
    }

    /// A setting's text, fit to be shown, and its origin.
    pub(super) fn shown(&self, setting: &Setting) -> Option<(String, &Origin)> {
        self.values.get(setting.key).map(|(text, origin)| ((setting.show)(text), origin))
    }

    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.get(key).map(|(_, origin)| origin)
    }

    pub(super) fn set(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        self.faulty.remove(setting.key);
        self.values.insert(setting.key, (text, origin));
    }

    pub(super) fn set_from_file(&mut self, setting: &'static Setting, path: &Path, origin: Origin) {
        match file::read_secret(path) {
            Ok(text) => self.set(setting, text, origin),
            Err(rule) => self.fault(setting, &origin, format!("the file {} {rule}", path.display())),
        }
    }

    /// The setting has a value that cannot be read.
    pub(super) fn fault(&mut self, setting: &'static Setting, origin: &Origin, rule: impl Into<String>) {
        self.problems.push(Problem::new(setting.key, Some(origin.to_string()), rule));
        self.values.remove(setting.key);
        self.faulty.insert(setting.key);
    }

    /// The variables that concern us, by name; an empty one counts as not set. Notes those that are ours by name and unknown.
    fn read_variables(&mut self, env: &[(OsString, OsString)]) -> BTreeMap<String, String> {
        let known = SETTINGS.iter().flat_map(|setting| [setting.env.as_deref(), setting.env_file.as_deref()]);
        let known: BTreeSet<&str> = known.flatten().chain([CONFIG_ENV]).collect();
        let mut ours = BTreeMap::new();
        for (name, value) in env {
            let Some(name) = name.to_str() else { continue };
            let mut refuse = |rule| self.problems.push(Problem::new(name, Some("environment".into()), rule));
            if known.contains(name) {
                match value.to_str() {
                    Some("") => {}
                    Some(text) => {
                        ours.insert(name.to_owned(), text.to_owned());
                    }
                    None => refuse("must be UTF-8".to_owned()),
                }
            } else if name.starts_with(ENV_PREFIX) && !is_service_link(name) {
                refuse(unknown(name, known.iter().copied()));
            }
        }
        ours
    }

    fn apply_env(&mut self, env: &BTreeMap<String, String>) {
        for setting in SETTINGS.iter() {
            let given = |name: &Option<String>| name.as_ref().and_then(|name| env.get_key_value(name));
            match (given(&setting.env), given(&setting.env_file)) {
                (Some((name, _)), Some((file_name, _))) => {
                    let rule = format!("must not be set beside {file_name}");
                    self.fault(setting, &Origin::Env(name.clone()), rule);
                }
                (Some((name, text)), None) => self.set(setting, text.clone(), Origin::Env(name.clone())),
                (None, Some((name, path))) => self.set_from_file(setting, Path::new(path), Origin::Env(name.clone())),
                (None, None) => {}
            }
        }
    }
}

/// Whether Kubernetes sets such a variable in every pod beside a service called `segmenter…`
/// (`SEGMENTER_SERVICE_HOST`, `SEGMENTER_PORT_8080_TCP_ADDR` …).
fn is_service_link(name: &str) -> bool {
    let is_of_port = |after: &str| after.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split("_PORT_").skip(1).any(is_of_port)
}

/// Reads typed values and notes the problems of each.
pub struct Reader<'a> {
    resolved: &'a Resolved,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value of the setting `key`; `None` if it has a problem.
    pub(super) fn read<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let setting = Setting::of_key(key)?;
        if self.resolved.faulty.contains(key) {
            return None;
        }
        let Some((text, _)) = self.resolved.values.get(key) else {
            if T::absent().is_none() && !self.resolved.damaged {
                self.refuse(key, format!("must be set, by {}", ways(setting)));
            }
            return T::absent();
        };
        match T::parse(text).and_then(|value| within_range(value, setting)) {
            Ok(value) => Some(value),
            Err(rule) => {
                self.refuse(key, rule);
                None
            }
        }
    }

    /// The setting `key` breaks `rule`.
    pub(super) fn refuse(&mut self, key: &str, rule: impl Into<String>) {
        let origin = self.resolved.origin(key).map(ToString::to_string);
        let problem = Problem::new(key, origin, rule);
        // A section may be read twice.
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// As [`Self::refuse`], for the entry `name` of a table.
    pub(super) fn refuse_entry(&mut self, key: &str, name: &str, rule: impl Into<String>) {
        let origin = self.resolved.origin(key).map(ToString::to_string);
        self.problems.push(Problem::new(&format!("{key}.{}", printable(name)), origin, rule));
    }

    /// Refuses the setting `key` unless it keeps the rule.
    pub(super) fn must(&mut self, keeps: bool, key: &str, rule: impl Into<String>) {
        if !keeps {
            self.refuse(key, rule);
        }
    }

    /// Whether the setting has another value than its default.
    pub(super) fn is_chosen(&self, key: &str) -> bool {
        self.resolved.origin(key).is_some_and(|origin| *origin != Origin::Default)
    }
}

/// How a setting can be set, in words.
fn ways(setting: &Setting) -> String {
    let env = setting.env.as_ref().map(|name| format!("the variable {name}"));
    let env_file = setting.env_file.as_ref().map(|name| format!("{name} (the path of a file)"));
    let flag = setting.flag.as_ref().map(|name| format!("the flag --{name} of serve"));
    let ways = [env, env_file, flag, Some(format!("{} in the file", setting.key))];
    ways.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn within_range<T: Value>(value: T, setting: &Setting) -> Result<T, String> {
    let Some((least, greatest)) = setting.range else { return Ok(value) };
    let bound = |text| T::parse(text).ok().and_then(|bound| bound.measure());
    let (measured, low, high) = (value.measure(), bound(least), bound(greatest));
    if measured >= low && measured <= high { Ok(value) } else { Err(format!("must be from {least} to {greatest}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubernetes_service_of_our_name_does_not_break_the_start() {
        let links = "SERVICE_HOST SERVICE_PORT SERVICE_PORT_HTTP PORT PORT_8080_TCP PORT_8080_TCP_PROTO \
                     PORT_8080_TCP_PORT PORT_8080_TCP_ADDR HTTP_PORT_8080_TCP_ADDR";
        for name in links.split(' ') {
            assert!(is_service_link(&format!("SEGMENTER_{name}")), "{name}");
        }
        for name in ["SEGMENTER_LOG_FILTR", "SEGMENTER_PORT_X", "SEGMENTER_PORTS"] {
            assert!(!is_service_link(name), "{name}");
        }
        for setting in SETTINGS.iter() {
            assert!(!setting.env.as_deref().is_some_and(is_service_link), "{}", setting.key);
        }
    }

    #[test]
    fn defaults_and_bounds_in_the_table_are_valid() {
        let problems = Sources::default().resolve().config().unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["kafka.brokers", "database.url"], "{problems}");
    }
}
