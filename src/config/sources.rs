//! Combines the layers: every setting's text and its origin, and typed values read from these texts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::file;
use super::flags::SettingFlags;
use super::problem::{Problem, Problems, unknown};
use super::reader::{Reader, Section};
use super::resolved::{Origin, Resolved};
use super::setting::ENV_PREFIX;
use super::table::{Config, SETTINGS};
use super::value::Shape;

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

impl Sources {
    /// The layers of this process.
    pub fn of_process(file: Option<PathBuf>, flags: SettingFlags) -> Self {
        Self { file, env: std::env::vars_os().collect(), flags }
    }

    /// Combines the layers. Problems are kept for [`Resolved::read`].
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

    /// The part of the configuration that a command needs; the other parts may be absent or invalid.
    ///
    /// # Errors
    /// Every problem of the file, the environment and that part.
    pub fn read<T: Section>(&self) -> Result<T, Problems> {
        let mut reader = Reader::new(self, &SETTINGS);
        match T::read(&mut reader) {
            Some(value) if reader.problems().is_empty() => Ok(value),
            _ => Err(Problems(reader.into_problems())),
        }
    }

    /// The variables of settings, by name; an empty one counts as not set. Notes unknown ones with segmenter's prefix.
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

/// Whether Kubernetes sets this variable in every pod beside a Service named `segmenter…`
/// (`SEGMENTER_SERVICE_HOST`, `SEGMENTER_PORT_8080_TCP_ADDR` …).
fn is_service_link(name: &str) -> bool {
    let is_of_port = |after: &str| after.starts_with(|first: char| first.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split("_PORT_").skip(1).any(is_of_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_a_kubernetes_service_named_segmenter_are_accepted() {
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
