//! The effective configuration as a table: every setting, its value without secrets, and where that came from.

use std::fmt::Write;

use serde::Serialize;

use super::sources::{Origin, Resolved};
use super::table::SETTINGS;

/// A setting as people may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownSetting {
    pub key: &'static str,
    /// Without secrets; `None` where it is not set.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: String,
    #[serde(skip)]
    chosen: bool,
}

impl ShownSetting {
    /// Whether somebody chose the value.
    pub fn is_chosen(&self) -> bool {
        self.chosen
    }
}

impl Resolved {
    /// Every setting as people may see it.
    pub fn shown_settings(&self) -> Vec<ShownSetting> {
        let show = |setting: &super::Setting| match self.shown(setting) {
            Some((text, origin)) => ShownSetting {
                key: setting.key,
                value: Some(text.escape_debug().to_string()),
                origin: origin.to_string(),
                chosen: *origin != Origin::Default,
            },
            None => ShownSetting { key: setting.key, value: None, origin: "not set".to_owned(), chosen: false },
        };
        SETTINGS.iter().map(show).collect()
    }

    /// One line a setting, in columns.
    pub fn show(&self) -> String {
        let mut rows = vec![("KEY", "VALUE".to_owned(), "ORIGIN".to_owned())];
        rows.extend(
            self.shown_settings()
                .into_iter()
                .map(|setting| (setting.key, setting.value.unwrap_or_else(|| "-".to_owned()), setting.origin)),
        );
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
