//! The schema registry as the configuration names it.

use crate::config::RegistryConfig;
use crate::event::registry::{Client, ClientError, Registry, Settings};

/// The registry, if one is configured. Nothing is asked of it yet.
///
/// # Errors
/// There can be no client for it.
pub(super) fn open(config: &RegistryConfig) -> Result<Option<Registry>, ClientError> {
    let Some(url) = &config.url else { return Ok(None) };
    Client::new(&settings(config, url.as_str())).map(|client| Some(Registry::new(client)))
}

/// How to reach the registry at `url`, with the configured credentials.
pub(super) fn settings(config: &RegistryConfig, url: &str) -> Settings {
    let login = config.username.as_ref().zip(config.password.as_ref());
    Settings {
        url: url.to_owned(),
        login: login.map(|(name, password)| (name.as_str().to_owned(), password.expose().to_owned())),
        ca: config.ca.clone(),
        timeout: config.timeout,
    }
}
