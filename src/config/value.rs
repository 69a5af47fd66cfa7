//! The types a setting may have: how each is read from text, measured against its bounds and shown.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::text_file::read_secret;

/// The text shown in place of a secret.
pub(super) const REDACTED: &str = "***";

/// How the text of a setting is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    /// Never shown, not accepted as a flag (a command line is public), and readable from a file (`…_FILE`).
    Secret,
    /// As a flag it may stand without a value and then means `true`.
    Switch,
    /// In the configuration file it may be a list of strings.
    List,
    /// In the configuration file it is a table, and only there; its text has one `name=value` a line.
    Table,
}

/// The type of a setting.
pub trait Value: Sized {
    /// The values it accepts, in words, for the documentation.
    const KIND: &'static str;
    const SHAPE: Shape = Shape::Text;

    /// Reads the value. The error is the rule that `text` breaks, to be read after "the setting"; it never repeats `text`,
    /// which may be a secret in the wrong place.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value of a setting without a text and a default; `None` if it must be set.
    fn absent() -> Option<Self> {
        None
    }

    /// A measure comparable with the bounds of the setting; `None` for a type without order.
    fn measure(&self) -> Option<u128> {
        None
    }

    /// The text with secrets masked.
    fn show(text: &str) -> String {
        text.into()
    }

    /// The value, which stands in a file: a secret that is rotated there.
    #[must_use]
    fn kept_in(self, _file: &Path) -> Self {
        self
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;
    const SHAPE: Shape = T::SHAPE;

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn measure(&self) -> Option<u128> {
        self.as_ref().and_then(T::measure)
    }

    fn show(text: &str) -> String {
        T::show(text)
    }

    fn kept_in(self, file: &Path) -> Self {
        self.map(|value| value.kept_in(file))
    }
}

impl Value for bool {
    const KIND: &'static str = "true or false";
    const SHAPE: Shape = Shape::Switch;

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".into())
    }
}

impl Value for u32 {
    const KIND: &'static str = "whole number";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be a whole number".into())
    }

    fn measure(&self) -> Option<u128> {
        Some((*self).into())
    }
}

impl Value for Duration {
    const KIND: &'static str = "duration";

    fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map_err(|_| "must be a duration such as 250ms, 30s, 5m or 1h30m".into())
    }

    fn measure(&self) -> Option<u128> {
        Some(self.as_millis())
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "path";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("must be a path".into()) } else { Ok(text.into()) }
    }
}

impl Value for SocketAddr {
    const KIND: &'static str = "address:port";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be an IP address and a port such as 0.0.0.0:8080 or [::]:8080".into())
    }
}

/// A percentage, 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

impl Value for Percent {
    const KIND: &'static str = "percentage";

    fn parse(text: &str) -> Result<Self, String> {
        let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
        percent.map(Self).ok_or_else(|| "must be a percentage from 0% to 100%, such as 20%".into())
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", self.0)
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

impl Value for Bytes {
    const KIND: &'static str = "size";

    fn parse(text: &str) -> Result<Self, String> {
        let size = text.parse::<ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
        size.map(Self).ok_or_else(|| "must be a size such as 4096, 512KiB or 64MiB".into())
    }

    fn measure(&self) -> Option<u128> {
        Some(self.0 as u128)
    }
}

/// A short name passed to another system: 1 to 249 printable ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Name {
    const KIND: &'static str = "name";

    fn parse(text: &str) -> Result<Self, String> {
        let valid = (1..=249).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if valid { Ok(Self(text.into())) } else { Err("must be 1 to 249 printable ASCII characters".into()) }
    }
}

/// A password or the like. Its `Debug` is `***` and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: String,
    /// The file that it stands in.
    file: Option<PathBuf>,
}

impl Secret {
    /// The secret as it was at the start, for a library that takes it once.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The secret as it is now: one that stands in a file is read anew, since it may have been rotated.
    ///
    /// # Errors
    /// The file cannot be read, or is empty. The text names it.
    pub fn current(&self) -> Result<String, String> {
        let Some(file) = &self.file else { return Ok(self.text.clone()) };
        let read = read_secret(file).and_then(|text| Self::parse(&text));
        read.map(|secret| secret.text).map_err(|rule| format!("the file {} {rule}", file.display()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(REDACTED)
    }
}

impl Value for Secret {
    const KIND: &'static str = "secret";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("must not be empty".into()) } else { Ok(Self { text: text.into(), file: None }) }
    }

    fn show(_: &str) -> String {
        REDACTED.into()
    }

    fn kept_in(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }
}

/// Declares an enum whose variants are the words a setting accepts (without regard to case); a note may name a word that it
/// does not accept.
macro_rules! choice {
    ($(#[$meta:meta])* $vis:vis enum $Name:ident { $( $(#[$variant_meta:meta])* $Variant:ident = $word:literal, )+ } $($note:literal)?) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $vis enum $Name { $( $(#[$variant_meta])* $Variant, )+ }

        impl $Name {
            pub const ALL: &'static [Self] = &[$( Self::$Variant, )+];

            /// The word as it is written in the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$Variant => $word, )+ }
            }
        }

        impl $crate::config::value::Value for $Name {
            const KIND: &'static str = concat!("one of" $(, " `", $word, "`")+);

            fn parse(text: &str) -> Result<Self, String> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|choice| choice.as_str().eq_ignore_ascii_case(text))
                    .ok_or_else(|| concat!("must be one of" $(, " ", $word)+ $(, "; ", $note)?).into())
            }
        }
    };
}
pub(super) use choice;

choice! {
    /// The format of a line of the log.
    pub enum LogFormat {
        /// One JSON object a line, for machines.
        Json = "json",
        /// For people.
        Pretty = "pretty",
    }
}

/// Valid filter directives: a level, or `target=level` separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

impl LogFilter {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for LogFilter {
    const KIND: &'static str = "log directives";

    fn parse(text: &str) -> Result<Self, String> {
        // The parser takes a single word as a target; here it is far more often a misspelt level.
        let bare_words_are_levels = text
            .split(',')
            .filter(|directive| !directive.contains(['=', ':', '[']))
            .all(|word| !word.is_empty() && word.parse::<LevelFilter>().is_ok());
        if bare_words_are_levels && EnvFilter::try_new(text).is_ok() {
            Ok(Self(text.into()))
        } else {
            Err("must be off, error, warn, info, debug or trace, or directives such as info,librdkafka=warn".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_directives() {
        for text in ["info", "DEBUG", "off", "info,segmenter::kafka=debug,librdkafka=warn"] {
            assert!(LogFilter::parse(text).is_ok(), "{text}");
        }
        for text in ["", "loud", "segmenter=loud", "inf,segmenter=debug", "a=b=c", "warn, segmenter=trace"] {
            assert!(LogFilter::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_and_sizes_have_units() {
        for (text, milliseconds) in
            [("0", 0), ("250ms", 250), ("30s", 30_000), ("1h30m", 5_400_000), ("2d", 172_800_000)]
        {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "30", "s", "-1s", "1s2", "99999999999999999999s", "9999999999999999999d"] {
            assert!(Duration::parse(text).is_err(), "{text}");
        }
        for (text, bytes) in [("0", 0), ("17", 17), ("1KiB", 1024), ("64MiB", 64 << 20), ("3MB", 3_000_000)] {
            assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1 MiB 2", "1é"] {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }
}
