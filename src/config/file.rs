//! The configuration file: TOML to texts by key, with the line of each.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Problem, unknown};
use super::setting::Setting;
use super::table::{SECTIONS, SETTINGS};

/// The longest configuration file, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// The longest file that holds a secret, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// What one entry of the file says.
pub(super) enum Entry {
    Text(String),
    /// The path of a file that holds the text.
    Path(String),
    /// Something of the wrong type, already reported.
    Faulty,
}

/// What a file says.
#[derive(Default)]
pub(super) struct FileLayer {
    /// Setting, line and content of each entry.
    pub entries: Vec<(&'static Setting, usize, Entry)>,
    pub problems: Vec<Problem>,
    /// The file could not be read or parsed as a whole: what is missing may be in the part that is lost.
    pub damaged: bool,
}

/// Reads the file at `path`. All that is wrong with it is in the answer.
pub(super) fn read(path: &Path) -> FileLayer {
    let text = match read_text(path, MAX_BYTES) {
        Ok(text) => text,
        Err(rule) => {
            let problem = Problem::new("config", Some(path.display().to_string()), rule);
            return FileLayer { problems: vec![problem], damaged: true, ..FileLayer::default() };
        }
    };
    let (document, errors) = DeTable::parse_recoverable(&text);
    let newlines = text.match_indices('\n').map(|(index, _)| index).collect();
    let mut walk = Walk { newlines, path, layer: FileLayer { damaged: !errors.is_empty(), ..FileLayer::default() } };
    for error in errors {
        let line = walk.line(error.span().unwrap_or_default());
        walk.problem("config", line, format!("is not TOML: {}", error.message()));
    }
    walk.root(document.get_ref());
    walk.layer
}

/// The secret in the file at `path`, without the line's end that editors and `kubectl` leave.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    let text = read_text(path, MAX_SECRET_BYTES)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The whole of a text file of at most `max_bytes`; the error is a rule to be read after "the file".
fn read_text(path: &Path, max_bytes: u64) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > max_bytes {
        return Err(format!("must not be longer than {max_bytes} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "must be UTF-8".into())
}

/// Walks the document and gathers what it finds.
struct Walk<'a> {
    /// Where each line ends, in bytes.
    newlines: Vec<usize>,
    path: &'a Path,
    layer: FileLayer,
}

impl Walk<'_> {
    fn root(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            let line = self.line(name.span());
            let section = name.get_ref().as_ref();
            match value.get_ref() {
                DeValue::Table(table) if is_section(section) => self.section(section, table),
                _ if is_section(section) => self.problem(section, line, "must be a table"),
                _ => {
                    let rule = unknown(section, SECTIONS.iter().map(|(known, _)| *known));
                    self.problem(section, line, rule);
                }
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let line = self.line(name.span());
            let key = format!("{section}.{}", name.get_ref());
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
                let entry = if setting.table { properties(value) } else { scalar(setting, value) };
                self.entry(setting, &key, line, entry.map(Entry::Text));
            } else if let Some(setting) = SETTINGS.iter().find(|setting| setting.key_file().as_ref() == Some(&key)) {
                self.entry(setting, &key, line, string(value).map(Entry::Path));
            } else {
                self.problem(&key, line, unknown(&key, SETTINGS.iter().map(|setting| setting.key)));
            }
        }
    }

    fn entry(&mut self, setting: &'static Setting, key: &str, line: usize, entry: Result<Entry, &'static str>) {
        if self.layer.entries.iter().any(|(seen, ..)| seen.key == setting.key) {
            self.problem(key, line, "must not be set beside the same setting read from a file");
        }
        let entry = entry.unwrap_or_else(|rule| {
            self.problem(key, line, rule);
            Entry::Faulty
        });
        self.layer.entries.push((setting, line, entry));
    }

    fn problem(&mut self, key: &str, line: usize, rule: impl Into<String>) {
        let origin = format!("{}:{line}", self.path.display());
        self.layer.problems.push(Problem::new(key, Some(origin), rule));
    }

    /// The line, from 1, in which `span` begins.
    fn line(&self, span: Range<usize>) -> usize {
        self.newlines.partition_point(|newline| *newline < span.start) + 1
    }
}

fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

/// The text of a value that is not a table.
fn scalar(setting: &Setting, value: &Spanned<DeValue<'_>>) -> Result<String, &'static str> {
    match value.get_ref() {
        DeValue::Array(items) if setting.list => {
            let items = items.iter().map(|item| item.get_ref().as_str());
            Ok(items.collect::<Option<Vec<_>>>().ok_or("must be a list of strings")?.join(","))
        }
        other => plain(other).ok_or("must be a string, a whole number, true or false"),
    }
}

/// The text of a string.
fn string(value: &Spanned<DeValue<'_>>) -> Result<String, &'static str> {
    value.get_ref().as_str().map(str::to_owned).ok_or("must be a path")
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

/// The text of a table of properties, one `name=value` a line. A dotted name may be written without quotes, which makes it
/// a table in a table.
fn properties(value: &Spanned<DeValue<'_>>) -> Result<String, &'static str> {
    let DeValue::Table(table) = value.get_ref() else { return Err("must be a table of librdkafka properties") };
    let mut lines = Vec::new();
    flatten("", table, &mut lines).ok_or("must be a table of strings, numbers and booleans, each of one line")?;
    Ok(lines.join("\n"))
}

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
