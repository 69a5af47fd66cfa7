//! Typed values read from the texts of settings, with the problems of each.

use super::problem::{Problem, printable};
use super::resolved::{Origin, Resolved};
use super::setting::Setting;
use super::value::Value;

/// A part of the configuration that a command may need by itself.
pub trait Section: Sized {
    /// `None` if it has problems; the reader has noted them.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

impl<A: Section, B: Section> Section for (A, B) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (one, other) = (A::read(reader), B::read(reader));
        Some((one?, other?))
    }
}

/// The rules within a section, and for the whole configuration those between sections. The values are valid each by itself.
pub(super) trait Rules {
    fn check(&self, _: &mut Reader<'_>) {}
}

/// Reads typed values and notes the problems of each.
pub struct Reader<'a> {
    resolved: &'a Resolved,
    settings: &'a [Setting],
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(resolved: &'a Resolved, settings: &'a [Setting]) -> Self {
        Self { resolved, settings, problems: resolved.problems.clone() }
    }

    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// The value of the setting `key`; `None` if it has a problem.
    pub(super) fn read<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let setting = self.settings.iter().find(|setting| setting.key == key)?;
        if self.resolved.is_faulty(key) {
            return None;
        }
        let Some(text) = self.resolved.text(key) else {
            if T::absent().is_none() && !self.resolved.damaged {
                self.refuse(key, format!("must be set, by {}", ways(setting)));
            }
            return T::absent();
        };
        match T::parse(text).and_then(|value| within_range(value, setting)) {
            Ok(value) => Some(match self.resolved.file(key) {
                Some(file) => value.kept_in(file),
                None => value,
            }),
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

    /// Whether a layer above the defaults sets it.
    pub(super) fn is_chosen(&self, key: &str) -> bool {
        self.resolved.origin(key).is_some_and(|origin| *origin != Origin::Default)
    }
}

/// The ways to set a setting, in words.
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
