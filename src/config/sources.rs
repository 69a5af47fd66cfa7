//! The layers put together: every setting's text and where it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{self, Entry};
use super::problem::{Problem, Problems, printable, unknown};
use super::setting::{ENV_PREFIX, Setting};
use super::table::{
    CatalogConfig, Config, DatabaseConfig, KafkaConfig, LogConfig, RegistryConfig, SETTINGS, TopicsConfig,
};
use super::value::Value;
use super::{Section, validate};

/// The variable that names the configuration file.
const CONFIG_ENV: &str = "SEGMENTER_CONFIG";

/// A flag as it was given: the text of a setting, or, for a secret, the path of the file that holds it.
#[derive(Debug, Clone)]
pub struct FlagValue {
    pub setting: &'static Setting,
    pub text: String,
}

/// The layers above the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The file of `--config`; `SEGMENTER_CONFIG` counts where there is none.
    pub file: Option<PathBuf>,
    pub env: Vec<(OsString, OsString)>,
    pub flags: Vec<FlagValue>,
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

/// Every setting's effective text, with what was wrong on the way. Not `Debug`: the texts of secrets are in it.
#[derive(Default)]
pub struct Resolved {
    values: BTreeMap<&'static str, (String, Origin)>,
    /// Settings whose effective value could not be read, already reported.
    faulty: BTreeSet<&'static str>,
    /// The file is damaged: what is missing may be in it.
    damaged: bool,
    problems: Vec<Problem>,
}

impl Sources {
    /// The layers of this process.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<FlagValue>) -> Self {
        Self { file, env: std::env::vars_os().collect(), flags }
    }

    /// Puts the layers together. What is wrong is kept for [`Resolved::config`].
    pub fn resolve(&self) -> Resolved {
        let mut resolved = Resolved::default();
        for setting in SETTINGS.iter() {
            if let Some(text) = setting.default {
                resolved.values.insert(setting.key, (text.into(), Origin::Default));
            }
        }
        let env = resolved.read_variables(&self.env);
        let from_env = env.get(CONFIG_ENV).map(PathBuf::from);
        if let Some(path) = self.file.as_ref().or(from_env.as_ref()) {
            resolved.apply_file(path);
        }
        resolved.apply_env(&env);
        for flag in &self.flags {
            let origin = Origin::Flag(flag.setting.flag().unwrap_or_default());
            if flag.setting.secret {
                resolved.set_from_file(flag.setting, Path::new(&flag.text), origin);
            } else {
                resolved.set(flag.setting, flag.text.clone(), origin);
            }
        }
        resolved
    }
}

impl Resolved {
    /// The whole configuration, or everything that is wrong with it.
    pub fn config(&self) -> Result<Config, Problems> {
        self.checked(validate::config)
    }

    /// What a command needs that uses only the database: nothing has to be said of Kafka then.
    pub fn database(&self) -> Result<(DatabaseConfig, LogConfig), Problems> {
        self.checked(|_: &(DatabaseConfig, LogConfig), _| {})
    }

    /// What a command needs that uses the database and scores: nothing has to be said of Kafka then.
    pub fn database_and_catalog(&self) -> Result<(DatabaseConfig, CatalogConfig, LogConfig), Problems> {
        self.checked(|_: &(DatabaseConfig, CatalogConfig, LogConfig), _| {})
    }

    /// What a command needs that uses only Kafka: nothing has to be said of the database then.
    pub fn kafka(&self) -> Result<(KafkaConfig, TopicsConfig, LogConfig), Problems> {
        self.checked(validate::kafka)
    }

    /// What a command needs that asks only the registry.
    pub fn registry(&self) -> Result<(RegistryConfig, TopicsConfig, LogConfig), Problems> {
        self.checked(validate::schemas)
    }

    /// A setting's text, fit to be shown, and its origin.
    pub(super) fn shown(&self, setting: &Setting) -> Option<(String, &Origin)> {
        self.values.get(setting.key).map(|(text, origin)| (setting.show(text), origin))
    }

    /// Reads `T`, and where that succeeds holds it to the rules between settings.
    fn checked<T: Section>(&self, rules: impl FnOnce(&T, &mut Reader<'_>)) -> Result<T, Problems> {
        let mut reader = Reader { resolved: self, problems: self.problems.clone() };
        let value = T::read(&mut reader);
        if let Some(value) = &value {
            rules(value, &mut reader);
        }
        match value {
            Some(value) if reader.problems.is_empty() => Ok(value),
            _ => Err(Problems(reader.problems)),
        }
    }

    fn set(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        self.faulty.remove(setting.key);
        self.values.insert(setting.key, (text, origin));
    }

    fn set_from_file(&mut self, setting: &'static Setting, path: &Path, origin: Origin) {
        match file::read_secret(path) {
            Ok(text) => self.set(setting, text, origin),
            Err(rule) => {
                let rule = format!("the file {} {rule}", path.display());
                self.fault(setting, &origin, rule);
            }
        }
    }

    fn fault(&mut self, setting: &'static Setting, origin: &Origin, rule: impl Into<String>) {
        self.problems.push(Problem::new(setting.key, Some(origin.to_string()), rule));
        self.mark_faulty(setting);
    }

    fn mark_faulty(&mut self, setting: &'static Setting) {
        self.values.remove(setting.key);
        self.faulty.insert(setting.key);
    }

    fn apply_file(&mut self, path: &Path) {
        let layer = file::read(path);
        self.problems.extend(layer.problems);
        self.damaged = layer.damaged;
        for (setting, line, entry) in layer.entries {
            let origin = Origin::File { path: path.into(), line };
            match entry {
                Entry::Text(text) => self.set(setting, text, origin),
                Entry::Path(secret) => self.set_from_file(setting, Path::new(&secret), origin),
                Entry::Faulty => self.mark_faulty(setting),
            }
        }
    }

    /// The variables that concern us, by name; an empty one counts as not set. Notes those that are ours by name and unknown.
    fn read_variables(&mut self, env: &[(OsString, OsString)]) -> BTreeMap<String, String> {
        let mut known: BTreeSet<String> =
            SETTINGS.iter().filter_map(|setting| setting.env().map(str::to_owned)).collect();
        known.extend(SETTINGS.iter().filter_map(Setting::env_file));
        known.insert(CONFIG_ENV.into());

        let mut ours = BTreeMap::new();
        for (name, value) in env {
            let Some(name) = name.to_str() else { continue };
            if known.contains(name) {
                match value.to_str() {
                    Some("") => {}
                    Some(text) => {
                        ours.insert(name.to_owned(), text.to_owned());
                    }
                    None => self.problems.push(Problem::new(name, Some("environment".into()), "must be UTF-8")),
                }
            } else if name.starts_with(ENV_PREFIX) && !is_service_link(name) {
                let rule = unknown(name, known.iter().map(String::as_str));
                self.problems.push(Problem::new(name, Some("environment".into()), rule));
            }
        }
        ours
    }

    fn apply_env(&mut self, env: &BTreeMap<String, String>) {
        for setting in SETTINGS.iter() {
            let direct = setting.env().and_then(|name| Some((name.to_owned(), env.get(name)?)));
            let in_file = setting.env_file().and_then(|name| env.get(&name).map(|path| (name, path)));
            match (direct, in_file) {
                (Some((name, _)), Some((file_name, _))) => {
                    let rule = format!("must not be set beside {file_name}");
                    self.fault(setting, &Origin::Env(name), rule);
                }
                (Some((name, text)), None) => self.set(setting, text.clone(), Origin::Env(name)),
                (None, Some((name, path))) => self.set_from_file(setting, Path::new(path), Origin::Env(name)),
                (None, None) => {}
            }
        }
    }
}

impl Section for (DatabaseConfig, LogConfig) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (database, log) = (DatabaseConfig::read(reader), LogConfig::read(reader));
        Some((database?, log?))
    }
}

impl Section for (DatabaseConfig, CatalogConfig, LogConfig) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (database, catalog, log) =
            (DatabaseConfig::read(reader), CatalogConfig::read(reader), LogConfig::read(reader));
        Some((database?, catalog?, log?))
    }
}

impl Section for (KafkaConfig, TopicsConfig, LogConfig) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (kafka, topics) = (KafkaConfig::read(reader), TopicsConfig::read(reader));
        let log = LogConfig::read(reader);
        Some((kafka?, topics?, log?))
    }
}

impl Section for (RegistryConfig, TopicsConfig, LogConfig) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (registry, topics) = (RegistryConfig::read(reader), TopicsConfig::read(reader));
        let log = LogConfig::read(reader);
        Some((registry?, topics?, log?))
    }
}

/// Whether Kubernetes sets such a variable in every pod beside a service called `segmenter…`
/// (`SEGMENTER_SERVICE_HOST`, `SEGMENTER_PORT_8080_TCP_ADDR` …).
fn is_service_link(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("SEGMENTER").filter(|rest| rest.starts_with('_')) else { return false };
    let after_port = rest.rsplit_once("_PORT_").map(|(_, after)| after);
    let is_port = after_port.is_some_and(|after| {
        let mut parts = after.split('_');
        let number =
            parts.next().is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        let protocol = parts.next().is_some_and(|part| matches!(part, "TCP" | "UDP" | "SCTP"));
        let last = parts.next().is_none_or(|part| matches!(part, "PROTO" | "PORT" | "ADDR"));
        number && protocol && last && parts.next().is_none()
    });
    // `_PORT_8080_TCP_PORT` splits at its last `_PORT`, and ends with it.
    is_port || rest.ends_with("_SERVICE_HOST") || rest.contains("_SERVICE_PORT") || rest.ends_with("_PORT")
}

/// Reads typed values and notes what is wrong with each.
pub(super) struct Reader<'a> {
    resolved: &'a Resolved,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value of the setting `key`; `None` if there is something wrong with it.
    pub(super) fn read<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let setting = SETTINGS.iter().find(|setting| setting.key == key)?;
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

    /// Notes that the setting `key`, or a part of it after its name, breaks `rule`.
    pub(super) fn refuse(&mut self, key: &str, rule: impl Into<String>) {
        let origin = self.origin(key).map(ToString::to_string);
        self.problems.push(Problem::new(key, origin, rule));
    }

    /// As [`Self::refuse`], for the entry `name` of a table.
    pub(super) fn refuse_entry(&mut self, key: &str, name: &str, rule: impl Into<String>) {
        let origin = self.origin(key).map(ToString::to_string);
        self.problems.push(Problem::new(&format!("{key}.{}", printable(name)), origin, rule));
    }

    fn origin(&self, key: &str) -> Option<&Origin> {
        self.resolved.values.get(key).map(|(_, origin)| origin)
    }

    /// Whether somebody chose the setting's value.
    pub(super) fn is_chosen(&self, key: &str) -> bool {
        self.origin(key).is_some_and(|origin| *origin != Origin::Default)
    }
}

/// How a setting can be set, in words.
fn ways(setting: &Setting) -> String {
    let env = setting.env().map(|name| format!("the variable {name}"));
    let env_file = setting.env_file().map(|name| format!("{name} (the path of a file)"));
    let flag = setting.flag().map(|name| format!("the flag --{name} of serve"));
    [env, env_file, flag, Some(format!("{} in the file", setting.key))]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
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
        for name in [
            "SEGMENTER_SERVICE_HOST",
            "SEGMENTER_SERVICE_PORT",
            "SEGMENTER_SERVICE_PORT_HTTP",
            "SEGMENTER_PORT",
            "SEGMENTER_PORT_8080_TCP",
            "SEGMENTER_PORT_8080_TCP_PROTO",
            "SEGMENTER_PORT_8080_TCP_PORT",
            "SEGMENTER_PORT_8080_TCP_ADDR",
            "SEGMENTER_HTTP_PORT_8080_TCP_ADDR",
        ] {
            assert!(is_service_link(name), "{name}");
        }
        for name in ["SEGMENTER_LOGG", "SEGMENTER_PORT_X", "SEGMENTER_PORTS", "SEGMENTERSERVICE_HOST"] {
            assert!(!is_service_link(name), "{name}");
        }
    }

    #[test]
    fn no_variable_of_ours_could_be_a_kubernetes_service_link() {
        for setting in SETTINGS.iter() {
            assert!(!setting.env().is_some_and(is_service_link), "{}", setting.key);
        }
    }

    #[test]
    fn defaults_and_bounds_in_the_table_are_valid() {
        let resolved = Sources::default().resolve();
        let problems = resolved.config().unwrap_err();
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["kafka.brokers", "database.url"], "{problems}");
    }
}
