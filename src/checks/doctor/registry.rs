//! Whether the schema registry answers this process, where one is configured.

use super::finding::{Findings, Unreachable};
use crate::config::RegistryConfig;
use crate::registry::Client;

pub async fn check(registry: Option<&Client>, config: &RegistryConfig) -> Findings {
    let mut found = Findings::of("registry");
    let Some(registry) = registry else { return found };
    found.begin("identity");
    match registry.probe().await {
        Ok(()) => found.ok(format!("the schema registry answers {}.", identity(config))),
        Err(failure) => found.unreachable(
            &Unreachable::Unavailable(failure.to_string()),
            "the schema registry does not answer this process",
            "Check the registry and the settings of [registry] (`segmenter config show`).",
        ),
    }
    found
}

/// How this process identifies itself.
fn identity(config: &RegistryConfig) -> String {
    let name = config.username.as_ref().map(|name| name.as_str());
    let login = match (name, &config.oauth_token_url, &config.token) {
        (Some(name), Some(url), _) => Some(format!("client {name} with a token of {url}")),
        (Some(name), None, _) => Some(format!("user {name} with a password")),
        (None, _, Some(_)) => Some("a bearer token".to_owned()),
        (None, _, None) => None,
    };
    let certificate = config.certificate.as_ref().map(|file| format!("the client certificate {}", file.display()));
    let given: Vec<String> = login.into_iter().chain(certificate).collect();
    if given.is_empty() { "a client without a login".to_owned() } else { given.join(" and ") }
}
