//! The types a setting may have: how each is read from text, measured against its bounds and shown.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::unit::{parse_duration, parse_size};

/// The type of a setting.
pub trait Value: Sized {
    /// What may stand there, in words, for the documentation.
    const KIND: &'static str;
    /// Never shown, not accepted as a flag (a command line is public), and readable from a file (`…_FILE`).
    const SECRET: bool = false;
    /// A flag of this type may stand without a value and then means `true`.
    const SWITCH: bool = false;
    /// In the configuration file it may be a list of strings.
    const LIST: bool = false;
    /// In the configuration file it is a table, and only there; its text has one `name=value` a line.
    const TABLE: bool = false;

    /// Reads the value. The error is the rule that `text` breaks, to be read after "the setting"; it never repeats `text`,
    /// which may be a secret in the wrong place.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value of a setting that nobody set and that has no default; `None` if it must be set.
    fn absent() -> Option<Self> {
        None
    }

    /// Where the value lies between the bounds of its setting; `None` for what has no order.
    fn measure(&self) -> Option<u128> {
        None
    }

    /// The value as people may see it.
    fn show(text: &str) -> String {
        text.into()
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: &'static str = T::KIND;
    const SECRET: bool = T::SECRET;
    const SWITCH: bool = T::SWITCH;
    const LIST: bool = T::LIST;
    const TABLE: bool = T::TABLE;

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
}

impl Value for bool {
    const KIND: &'static str = "true or false";
    const SWITCH: bool = true;

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
        parse_duration(text).ok_or_else(|| "must be a duration such as 250ms, 30s, 5m or 1h30m".into())
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

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

impl Value for Bytes {
    const KIND: &'static str = "size";

    fn parse(text: &str) -> Result<Self, String> {
        parse_size(text).map(Self).ok_or_else(|| "must be a size such as 4096, 512KiB or 64MiB".into())
    }

    fn measure(&self) -> Option<u128> {
        Some(self.0 as u128)
    }
}

/// A short name that goes to another system: 1 to 249 printable ASCII characters.
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

/// Declares an enum whose variants are the words a setting accepts (without regard to case).
macro_rules! choice {
    ($(#[$meta:meta])* $vis:vis enum $Name:ident { $( $(#[$variant_meta:meta])* $Variant:ident = $word:literal, )+ }) => {
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
                    .ok_or_else(|| concat!("must be one of" $(, " ", $word)+).into())
            }
        }
    };
}
pub(super) use choice;
