//! The documentation of the settings, made from their table.

use std::fmt::Write;

use super::setting::Setting;
use super::table::{SECTIONS, SETTINGS};

const INTRODUCTION: &str = "\
<!-- Made by `segmenter config docs settings > docs/config.md`; a test keeps it equal to the code. -->

# Configuration

A setting's value comes from the highest of these layers that has one: its flag (only `serve` takes settings as flags), its
environment variable, the file (`--config FILE`, or `SEGMENTER_CONFIG`), its default. An empty variable counts as not set. The file is TOML, with a table for
each section:

```toml
[kafka]
brokers = [\"kafka-1:9092\", \"kafka-2:9092\"]

[batch]
max_bytes = \"4MiB\"
```

A secret is never a flag, for command lines are public. Besides its variable there is one with `_FILE` that names a file to read
it from (the line's end is dropped), and so are there the key with `_file` and the flag with `-file`; to set both in one layer is
an error.

Durations are whole numbers with `ms`, `s`, `m`, `h` or `d` (`250ms`, `1h30m`). Sizes are bytes, or whole numbers with `KiB`,
`MiB`, `GiB` (powers of 1024), `kB`, `MB` or `GB`.

Unknown keys in the file and unknown variables that begin with `SEGMENTER_` are errors (but for those that Kubernetes sets for a
service of that name). `segmenter config check` says everything that is wrong at once and exits with 2;
`segmenter config show` prints every effective value and where it came from, without secrets.
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
    let names = [setting.env().map(str::to_owned), setting.env_file(), setting.flag().map(|flag| format!("--{flag}"))];
    let names: Vec<String> = names.into_iter().flatten().map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "only in the file".into() } else { names.join("<br>") };
    let range = setting.range.map_or_else(String::new, |(least, greatest)| format!(", `{least}` to `{greatest}`"));
    format!("| `{}` | {default} | {names} | {} ({}{range}) |\n", setting.key, setting.help, setting.kind)
}
