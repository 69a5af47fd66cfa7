//! Turns a valid configuration into the settings of the service's parts.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context as _;

use crate::codec::segment_changed::Encoding;
use crate::config::{self, CatalogConfig, Config, JobsConfig, RegistryConfig, TopicsConfig};
use crate::domain::scoring::{BUILTIN, Catalog};
use crate::identity::oauth::ClientCredentials;
use crate::identity::tokens::{Source, Tokens};
use crate::kafka::client::{Cluster, Topics};
use crate::output::Destination;
use crate::registry::{self, Client, ClientError, Login, Registry};
use crate::store::audit::Operator;

/// The publisher and dead-letter settings of a one-shot command. Does not contact the registry.
///
/// # Errors
/// The registry's client cannot be built.
pub(super) fn output(config: &Config) -> Result<Destination, ClientError> {
    Ok(Destination {
        cluster: Cluster::from(&config.kafka),
        topics: Topics::from(&config.topics),
        encoding: encoding(&config.topics),
        registry: registry(&config.registry)?,
    })
}

/// Whose acts this command records.
pub fn operator(config: &JobsConfig) -> Operator {
    Operator::here(config.operator.as_ref().map(|name| name.as_str().to_owned()))
}

/// The configured encoding of segment-changed.
pub(super) fn encoding(topics: &TopicsConfig) -> Encoding {
    match topics.segment_changed_encoding {
        config::Encoding::Json => Encoding::Json,
        config::Encoding::Avro => Encoding::Avro,
    }
}

/// The registry, if one is configured. Does not contact it.
///
/// # Errors
/// Its client cannot be built.
pub(super) fn registry(config: &RegistryConfig) -> Result<Option<Registry>, ClientError> {
    let Some(url) = &config.url else { return Ok(None) };
    Ok(Some(Registry::new(registry_at(config, url.as_str())?)))
}

/// A client of the registry at `url`, with the configured credentials.
///
/// # Errors
/// It cannot be built.
pub(super) fn registry_at(config: &RegistryConfig, url: &str) -> Result<Client, ClientError> {
    Client::new(registry::ClientSettings {
        url: url.to_owned(),
        login: login(config),
        certificate: config.certificate.clone().zip(config.key.clone()).map(Into::into),
        ca: config.ca.clone(),
        timeout: config.timeout,
    })
}

fn login(config: &RegistryConfig) -> Option<Login> {
    if let Some(token) = &config.token {
        return Some(Login::Token(token.clone()));
    }
    let (name, password) = config.username.as_ref().zip(config.password.clone())?;
    let name = name.as_str().to_owned();
    let Some(url) = &config.oauth_token_url else { return Some(Login::Password { name, password }) };
    Some(Login::Tokens(Tokens::of(Source::OAuth(ClientCredentials {
        url: url.as_str().to_owned(),
        client_id: name,
        secret: password,
        scope: config.oauth_scope.as_ref().map(|scope| scope.as_str().to_owned()),
        ca: config.oauth_ca.clone(),
        ca_setting: "registry.oauth_ca",
    }))))
}

/// The catalog of the configured file, else the built-in one.
///
/// # Errors
/// The file cannot be read or does not hold a valid catalog.
pub(super) fn catalog(config: &CatalogConfig) -> anyhow::Result<Catalog> {
    catalog_in(config.file.as_deref())
}

/// The catalog of `file`, else the built-in one.
///
/// # Errors
/// As of [`catalog`].
pub(super) fn catalog_in(file: Option<&Path>) -> anyhow::Result<Catalog> {
    let catalog = Catalog::parse(&catalog_text(file)?);
    match file {
        Some(file) => catalog.with_context(|| format!("in {}", file.display())),
        None => Ok(catalog?),
    }
}

/// The text of `file`, else of the built-in catalog.
///
/// # Errors
/// The file cannot be read.
pub(super) fn catalog_text(file: Option<&Path>) -> anyhow::Result<Cow<'static, str>> {
    let Some(file) = file else { return Ok(BUILTIN.into()) };
    let text = std::fs::read_to_string(file);
    Ok(text.with_context(|| format!("could not read the catalog {}", file.display()))?.into())
}
