//! The type of the schema registry's address.

use std::fmt;

use url::Url;

use super::secret::REDACTED;
use super::value::Value;

/// Where a registry's API begins: `http` or `https`, without credentials, and without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryUrl(String);

impl RegistryUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The connection is encrypted.
    pub fn uses_tls(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for RegistryUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Value for RegistryUrl {
    const KIND: &'static str = "http(s):// URL";

    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "must be a URL such as https://registry:8081")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("must begin with http:// or https://".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no credentials; they are registry.username and registry.password".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must have neither a query nor a fragment".into());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn show(text: &str) -> String {
        // What is refused may hold a password.
        if Self::parse(text).is_ok() { text.into() } else { REDACTED.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https_without_credentials() {
        let url = RegistryUrl::parse("https://registry:8081/apis/ccompat/v7/").unwrap();
        assert_eq!(url.as_str(), "https://registry:8081/apis/ccompat/v7");
        assert!(url.uses_tls() && !RegistryUrl::parse("http://registry").unwrap().uses_tls());
        for text in ["", "registry:8081", "ftp://registry", "https://u:hush@registry", "http://r/?a=b", "http://r/#a"] {
            assert!(!RegistryUrl::parse(text).unwrap_err().contains("hush"), "{text}");
            assert_eq!(RegistryUrl::show(text), REDACTED);
        }
    }
}
