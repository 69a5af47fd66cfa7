//! The configuration, and how it comes together: defaults, then the file, then the environment, then flags.
//!
//! ```text
//! table        the declarations: key, type, default, bounds, help      the only place that names a setting
//! sources      the layers; file is one of them                         Sources → Resolved (texts with their origins)
//! validate     the rules between settings                              Resolved → Config, or every Problem at once
//! show         `config show` and docs/config.md
//! ```
//!
//! Secrets are never shown: not in errors, not in `Debug`, not by `config show`.

mod file;
mod kafka;
mod moment;
mod problem;
mod setting;
mod show;
mod sources;
mod table;
mod url;
mod validate;
mod value;

pub use kafka::{
    Brokers, Encoding, InitialOffset, KafkaProperties, OutOfRange, SaslMechanism, SecurityProtocol, TopicName,
};
pub use moment::Moment;
pub use problem::{Problem, Problems};
pub use setting::{Setting, SettingFlags};
pub use show::{ShownSetting, markdown};
pub use sources::{Reader, Resolved, Sources};
pub use table::{
    BatchConfig, CatalogConfig, Config, DatabaseConfig, HttpConfig, InFlightConfig, KafkaConfig, LimitsConfig,
    LogConfig, OutboxConfig, RegistryConfig, SECTIONS, SETTINGS, TopicsConfig,
};
pub use url::{DatabaseUrl, RegistryUrl};
pub use value::{Bytes, LogFilter, LogFormat, Name, Secret, Value};

/// A part of the configuration that a command may need by itself.
pub trait Section: Sized {
    /// `None` if it has problems, which the reader has then noted.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}

impl<A: Section, B: Section> Section for (A, B) {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (one, other) = (A::read(reader), B::read(reader));
        Some((one?, other?))
    }
}
