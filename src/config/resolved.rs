//! Every setting's effective text with its origin, as the layers set it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::setting::Setting;
use super::text_file::read_secret;

/// The layer of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
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
    /// The files of secrets that stand in one.
    files: BTreeMap<&'static str, PathBuf>,
    /// Settings whose effective value could not be read, already reported.
    faulty: BTreeSet<&'static str>,
    /// The file is damaged: a missing value may be in the lost part.
    pub(super) damaged: bool,
    pub(super) problems: Vec<Problem>,
}

impl Resolved {
    /// The text of the setting with this key; `None` where it is not set.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|(text, _)| text.as_str())
    }

    /// Whether a problem of the setting's value has been noted.
    pub(super) fn is_faulty(&self, key: &str) -> bool {
        self.faulty.contains(key)
    }

    /// A setting's text with secrets masked, and its origin.
    pub(super) fn shown(&self, setting: &Setting) -> Option<(String, &Origin)> {
        self.values.get(setting.key).map(|(text, origin)| ((setting.show)(text), origin))
    }

    pub(super) fn origin(&self, key: &str) -> Option<&Origin> {
        self.values.get(key).map(|(_, origin)| origin)
    }

    /// The file that holds the setting's value.
    pub(super) fn file(&self, key: &str) -> Option<&Path> {
        self.files.get(key).map(PathBuf::as_path)
    }

    pub(super) fn set(&mut self, setting: &'static Setting, text: String, origin: Origin) {
        self.faulty.remove(setting.key);
        self.files.remove(setting.key);
        self.values.insert(setting.key, (text, origin));
    }

    pub(super) fn set_from_file(&mut self, setting: &'static Setting, path: &Path, origin: Origin) {
        match read_secret(path) {
            Ok(text) => {
                self.set(setting, text, origin);
                self.files.insert(setting.key, path.to_owned());
            }
            Err(rule) => self.fault(setting, &origin, format!("the file {} {rule}", path.display())),
        }
    }

    /// The setting has a value that cannot be read.
    pub(super) fn fault(&mut self, setting: &'static Setting, origin: &Origin, rule: impl Into<String>) {
        self.problems.push(Problem::new(setting.key, Some(origin.to_string()), rule));
        self.values.remove(setting.key);
        self.faulty.insert(setting.key);
    }
}
