//! The effective configuration as a table: every setting, its value without secrets, and where that came from.

use std::fmt::Write;

use super::sources::Resolved;
use super::table::SETTINGS;

impl Resolved {
    /// One line a setting, in columns.
    pub fn show(&self) -> String {
        let mut rows = vec![("KEY", "VALUE".to_owned(), "ORIGIN".to_owned())];
        rows.extend(SETTINGS.iter().map(|setting| match self.shown(setting) {
            Some((text, origin)) => (setting.key, text.escape_debug().to_string(), origin.to_string()),
            None => (setting.key, "-".into(), "not set".into()),
        }));
        let width = |column: fn(&(&str, String, String)) -> usize| rows.iter().map(column).max().unwrap_or_default();
        let key_width = width(|(key, ..)| key.chars().count());
        let value_width = width(|(_, value, _)| value.chars().count());
        rows.iter().fold(String::new(), |mut table, (key, value, origin)| {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{key:key_width$}  {value:value_width$}  {origin}");
            table
        })
    }
}
