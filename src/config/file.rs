//! The configuration file: the text of each setting in it, with its line.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, unknown};
use super::resolved::{Origin, Resolved};
use super::setting::Setting;
use super::table::{SECTIONS, SETTINGS};
use super::text_file::read_text;
use super::value::Shape;

/// The longest configuration file, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Applies the file at `path` over the layers below it. Its problems are noted.
pub(super) fn apply(path: &Path, resolved: &mut Resolved) {
    let text = match read_text(path, MAX_BYTES) {
        Ok(text) => text,
        Err(rule) => {
            resolved.problems.push(Problem::new("config", Some(path.display().to_string()), rule));
            resolved.damaged = true;
            return;
        }
    };
    let (document, errors) = DeTable::parse_recoverable(&text);
    resolved.damaged = !errors.is_empty();
    let newlines = text.match_indices('\n').map(|(index, _)| index).collect();
    let mut walk = Walk { newlines, path, resolved };
    for error in errors {
        let line = walk.line(error.span().unwrap_or_default().start);
        walk.problem("config", line, format!("is not TOML: {}", error.message()));
    }
    walk.root(document.get_ref());
}

struct Walk<'a> {
    /// Where each line ends, in bytes.
    newlines: Vec<usize>,
    path: &'a Path,
    resolved: &'a mut Resolved,
}

impl Walk<'_> {
    fn root(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let (section, line) = (name.get_ref().as_ref(), self.line(name.span().start));
            match value.get_ref() {
                _ if SECTIONS.iter().all(|(known, _)| *known != section) => {
                    self.problem(section, line, unknown(section, SECTIONS.iter().map(|(known, _)| *known)));
                }
                DeValue::Table(table) => table.iter().for_each(|(name, value)| {
                    let line = self.line(name.span().start);
                    self.entry(&format!("{section}.{}", name.get_ref()), line, value);
                }),
                _ => self.problem(section, line, "must be a table"),
            }
        }
    }

    fn entry(&mut self, key: &str, line: usize, value: &Spanned<DeValue<'_>>) {
        let named_by = |setting: &&Setting| setting.key_file.as_deref() == Some(key);
        let (setting, path_of_secret) =
            match (SETTINGS.iter().find(|setting| setting.key == key), SETTINGS.iter().find(named_by)) {
                (Some(setting), _) => (setting, false),
                (None, Some(setting)) => (setting, true),
                (None, None) => {
                    return self.problem(key, line, unknown(key, SETTINGS.iter().map(|setting| setting.key)));
                }
            };
        let origin = Origin::File { path: self.path.into(), line };
        if matches!(self.resolved.origin(setting.key), Some(Origin::File { .. })) {
            self.problem(key, line, "must not be set beside the same setting read from a file");
        }
        let text = match value.get_ref() {
            DeValue::String(path) if path_of_secret => {
                return self.resolved.set_from_file(setting, Path::new(path.as_ref()), origin);
            }
            _ if path_of_secret => Err("must be a path"),
            DeValue::Table(table) if setting.shape == Shape::Table => properties(table),
            _ if setting.shape == Shape::Table => Err("must be a table of librdkafka properties"),
            DeValue::Array(items) if setting.shape == Shape::List => {
                let items: Option<Vec<&str>> = items.iter().map(|item| item.get_ref().as_str()).collect();
                items.map(|items| items.join(",")).ok_or("must be a list of strings")
            }
            other => plain(other).ok_or("must be a string, a whole number, true or false"),
        };
        match text {
            Ok(text) => self.resolved.set(setting, text, origin),
            Err(rule) => self.resolved.fault(setting, &origin, rule),
        }
    }

    fn problem(&mut self, key: &str, line: usize, rule: impl Into<String>) {
        let origin = Origin::File { path: self.path.into(), line };
        self.resolved.problems.push(Problem::new(key, Some(origin.to_string()), rule));
    }

    /// The line, from 1, of the byte at `start`.
    fn line(&self, start: usize) -> usize {
        self.newlines.partition_point(|newline| *newline < start) + 1
    }
}

/// The text of a string, a number or a boolean.
fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        _ => None,
    }
}

/// The text of a table of properties, one `name=value` a line.
fn properties(table: &DeTable<'_>) -> Result<String, &'static str> {
    let mut lines = Vec::new();
    flatten("", table, &mut lines).ok_or("must be a table of strings, numbers and booleans, each of one line")?;
    Ok(lines.join("\n"))
}

/// A dotted name may be written without quotes, which makes it a table in a table.
fn flatten(prefix: &str, table: &DeTable<'_>, lines: &mut Vec<String>) -> Option<()> {
    for (name, value) in table {
        let name = format!("{prefix}{}", name.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            flatten(&format!("{name}."), inner, lines)?;
            continue;
        }
        let text = plain(value.get_ref())?;
        if name.contains(['\n', '\r', '=', '\0']) || text.contains(['\n', '\r', '\0']) {
            return None;
        }
        lines.push(format!("{name}={text}"));
    }
    Some(())
}
