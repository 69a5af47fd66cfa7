//! The settings as text: `config show` and docs/config.md.

use std::fmt::Write;

use serde::Serialize;
use utoipa::ToSchema;

use super::resolved::Resolved;
use super::setting::Setting;
use super::table::{SECTIONS, SETTINGS};

/// A setting with its secrets masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ShownSetting {
    pub key: &'static str,
    /// Without secrets; `None` where it is not set.
    #[schema(required)]
    pub value: Option<String>,
    /// The layer of the value.
    pub origin: String,
}

impl ShownSetting {
    /// Whether a layer above the defaults sets it.
    pub(crate) fn is_chosen(&self) -> bool {
        !matches!(self.origin.as_str(), "default" | "not set")
    }
}

impl Resolved {
    /// Every setting with its secrets masked.
    pub fn shown_settings(&self) -> Vec<ShownSetting> {
        let show = |setting: &Setting| {
            let (value, origin) = self.shown(setting).unzip();
            ShownSetting {
                key: setting.key,
                value: value.map(|text| text.escape_debug().to_string()),
                origin: origin.map_or_else(|| "not set".to_owned(), ToString::to_string),
            }
        };
        SETTINGS.iter().map(show).collect()
    }

    /// One line a setting, in columns.
    pub fn show(&self) -> String {
        let settings = self.shown_settings();
        let rows =
            settings.iter().map(|setting| (setting.key, setting.value.as_deref().unwrap_or("-"), &*setting.origin));
        let rows: Vec<(&str, &str, &str)> = [("KEY", "VALUE", "ORIGIN")].into_iter().chain(rows).collect();
        let width = |column: fn(&(&str, &str, &str)) -> usize| rows.iter().map(column).max().unwrap_or_default();
        let key_width = width(|(key, ..)| key.chars().count());
        let value_width = width(|(_, value, _)| value.chars().count());
        rows.iter().fold(String::new(), |mut table, (key, value, origin)| {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{key:key_width$}  {value:value_width$}  {origin}");
            table
        })
    }
}

const INTRODUCTION: &str = "\
<!-- Made by `segmenter config docs settings > docs/config.md`; a test keeps it equal to the code. -->

# Configuration

A setting's value comes from the highest of these layers that has one: its flag (only `serve` takes settings as flags), its
environment variable, the file (`--config FILE`, or `SEGMENTER_CONFIG`), its default. An empty variable counts as not set. The
file is TOML, with a table for each section:

```toml
[kafka]
brokers = [\"kafka-1:9092\", \"kafka-2:9092\"]

[batch]
max_bytes = \"4MiB\"
```

A secret is never a flag, since command lines are public. Besides its variable there is one with `_FILE` that names a file with the
secret (the line end is dropped), and likewise a key with `_file` and a flag with `-file`; setting both in one layer is
an error.

Durations are whole numbers with `ms`, `s`, `m`, `h` or `d` (`250ms`, `1h30m`). Sizes are bytes, or whole numbers with `KiB`,
`MiB`, `GiB` (powers of 1024), `kB`, `MB` or `GB`.

Unknown keys in the file and unknown variables that begin with `SEGMENTER_` are errors (but for those that Kubernetes sets for a
service of that name). `segmenter config check` lists every problem at once and exits with 2;
`segmenter config show` prints every effective value and its origin, without secrets.
";

/// `docs/config.md`.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (section, help) in SECTIONS {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## `[{section}]`\n\n{}\n\n", help.trim());
        text += "| key | default | variable, flag | meaning |\n|---|---|---|---|\n";
        for setting in SETTINGS.iter().filter(|setting| setting.section == *section) {
            text += &row(setting);
        }
    }
    text
}

fn row(setting: &Setting) -> String {
    let default = match (setting.default, setting.required) {
        (Some(text), _) => format!("`{text}`"),
        (None, true) => "**required**".into(),
        (None, false) => "none".into(),
    };
    let flag = setting.flag.as_ref().map(|flag| format!("--{flag}"));
    let names = [setting.env.clone(), setting.env_file.clone(), flag];
    let names: Vec<String> = names.into_iter().flatten().map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "only in the file".into() } else { names.join("<br>") };
    let range = setting.range.map_or_else(String::new, |(least, greatest)| format!(", `{least}` to `{greatest}`"));
    format!("| `{}` | {default} | {names} | {} ({}{range}) |\n", setting.key, setting.help, setting.kind)
}
