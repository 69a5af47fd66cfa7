//! The configuration in layers: defaults, then the file, then the environment, then flags.
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
mod flags;
mod kafka;
mod moment;
mod problem;
mod reader;
mod resolved;
mod setting;
mod show;
mod sources;
mod table;
mod text_file;
mod url;
mod validate;
mod value;

pub use flags::SettingFlags;
pub use kafka::{
    Brokers, Encoding, InitialOffset, KafkaProperties, OutOfRange, SaslMechanism, SecurityProtocol, TopicName,
};
pub use moment::Moment;
pub use problem::{Problem, Problems};
pub use reader::{Reader, Section};
pub use resolved::Resolved;
pub use setting::Setting;
pub use show::{ShownSetting, markdown};
pub use sources::Sources;
pub use table::{
    BatchConfig, CatalogConfig, Config, DatabaseConfig, HttpConfig, InFlightConfig, KafkaConfig, LimitsConfig,
    LogConfig, OutboxConfig, RegistryConfig, SECTIONS, SETTINGS, TopicsConfig,
};
pub use url::{DatabaseUrl, RegistryUrl};
pub use value::{Bytes, LogFilter, LogFormat, Name, Secret, Value};
