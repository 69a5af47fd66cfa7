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
pub use kafka::{Encoding, GroupProtocol, InitialOffset, OutOfRange};
pub(crate) use kafka::{SaslMechanism, TopicName};
pub(crate) use moment::Moment;
pub use problem::Problems;
pub use reader::Section;
pub use resolved::Resolved;
pub use setting::Setting;
pub(crate) use show::ShownSetting;
pub use show::markdown;
pub use sources::Sources;
pub use table::{
    BatchConfig, CatalogConfig, Config, DatabaseConfig, HttpConfig, InFlightConfig, JobsConfig, KafkaConfig,
    LimitsConfig, LogConfig, OutboxConfig, RegistryConfig, TopicsConfig,
};
pub use url::DatabaseUrl;
pub use url::HttpUrl;
pub(crate) use value::LogFormat;
pub use value::{Bytes, Percent, Secret, Value};
