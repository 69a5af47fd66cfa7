//! What can be configured, and how it comes together: defaults, then the file, then the environment, then flags.
//!
//! ```text
//! table        the declarations: key, type, default, bounds, help      the only place that names a setting
//! args, file   the layers; sources puts them together                  Sources → Resolved (texts with their origins)
//! validate     the rules between settings                              Resolved → Config, or every Problem at once
//! show, docs   what people read
//! ```
//!
//! Secrets are never shown: not in errors, not in `Debug`, not by `config show`.

mod args;
mod database_url;
mod docs;
mod file;
mod kafka;
mod kafka_properties;
mod log;
mod moment;
mod problem;
mod registry;
mod secret;
mod setting;
mod show;
mod sources;
mod table;
mod unit;
mod validate;
mod value;

pub use args::SettingFlags;
pub use database_url::DatabaseUrl;
pub use docs::markdown;
pub use kafka::{Brokers, Encoding, OutOfRange, SaslMechanism, SecurityProtocol, Start, TopicName};
pub use kafka_properties::KafkaProperties;
pub use log::{LogFilter, LogFormat};
pub use moment::Moment;
pub use problem::{Problem, Problems};
pub use registry::RegistryUrl;
pub use secret::Secret;
pub use setting::Setting;
pub use show::ShownSetting;
pub use sources::{FlagValue, Resolved, Sources};
pub use table::{
    BatchConfig, CatalogConfig, Config, DatabaseConfig, HttpConfig, InFlightConfig, KafkaConfig, LimitsConfig,
    LogConfig, OutboxConfig, RegistryConfig, SECTIONS, SETTINGS, TopicsConfig,
};
pub use unit::{parse_duration, parse_size};
pub use value::{Bytes, Name};

use sources::Reader;

/// A part of the configuration that can be read from the resolved settings.
trait Section: Sized {
    /// `None` if anything is wrong with it, which the reader has then noted.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;
}
