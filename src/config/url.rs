//! The addresses of the database and of servers with HTTP.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::text_file::read_secret;
use super::value::{REDACTED, Shape, Value};

/// Query parameters that the driver understands.
const UNDERSTOOD: &str = "sslmode ssl-mode sslrootcert ssl-root-cert ssl-ca sslcert ssl-cert sslkey ssl-key \
     statement-cache-capacity host hostaddr port dbname user password application_name options";

/// Prisma's own parameters, which are ignored: its pool and its timeouts. The platform's URL works unchanged.
const PRISMAS: [&str; 4] = ["connection_limit", "pool_timeout", "connect_timeout", "socket_timeout"];

/// A `postgres://` URL that names a database. Its `Debug` and `Display` have `***` in place of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    url: Url,
    /// The file that it stands in.
    file: Option<PathBuf>,
}

impl DatabaseUrl {
    /// The URL for the driver, with the password, without Prisma's own parameters.
    pub fn expose(&self) -> &str {
        self.url.as_str()
    }

    /// How the driver connects now: a URL that stands in a file is read anew, since its password may have been rotated.
    ///
    /// # Errors
    /// The file cannot be read, or holds no URL.
    pub fn connect_options(&self) -> Result<PgConnectOptions, String> {
        let Some(file) = &self.file else { return options(&self.url) };
        let url = read_secret(file).and_then(|text| Self::parse(&text));
        let url = url.map_err(|rule| format!("the file {} of database.url {rule}", file.display()))?;
        options(&url.url)
    }
}

/// The driver's own error is left out: it may repeat a part of the URL.
fn options(url: &Url) -> Result<PgConnectOptions, String> {
    url.as_str().parse().map_err(|_| "has a part that the database driver refuses".into())
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redact(&self.url).unwrap_or_else(|| REDACTED.into()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The URL without its password, in any of its places; `None` if the password cannot be removed.
fn redact(url: &Url) -> Option<String> {
    let mut shown = url.clone();
    shown.set_fragment(None);
    if url.password().is_some() {
        shown.set_password(Some(REDACTED)).ok()?;
    }
    if url.query().is_some() {
        let pairs = url.query_pairs().map(|(name, value)| {
            let hidden = name == "password" || name.starts_with("options");
            format!("{name}={}", if hidden { REDACTED } else { &value })
        });
        let query = pairs.collect::<Vec<_>>().join("&");
        shown.set_query(Some(&query));
    }
    Some(shown.into())
}

impl Value for DatabaseUrl {
    const KIND: &'static str = "postgres:// URL";
    const SHAPE: Shape = Shape::Secret;

    fn parse(text: &str) -> Result<Self, String> {
        let mut url =
            Url::parse(text).map_err(|_| "must be a URL such as postgres://user:password@host:5432/database")?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err("must begin with postgres:// or postgresql://".into());
        }
        if url.fragment().is_some() {
            return Err("must have no fragment; write a '#' in the password as %23".into());
        }
        let kept = driver_parameters(&url)?;
        let mut names_database = url.path().len() > 1;
        url.set_query(None);
        for (name, value) in &kept {
            names_database |= name == "dbname" && !value.is_empty();
            url.query_pairs_mut().append_pair(name, value);
        }
        if !names_database {
            return Err("must name the database, as in postgres://host/database".into());
        }
        options(&url)?;
        Ok(Self { url, file: None })
    }

    fn show(text: &str) -> String {
        Self::parse(text).map_or_else(|_| REDACTED.into(), |url| url.to_string())
    }

    fn kept_in(self, file: &Path) -> Self {
        Self { file: Some(file.to_owned()), ..self }
    }
}

/// The query parameters for the driver; an error for one that neither the driver nor Prisma knows (the driver would log its
/// value).
fn driver_parameters(url: &Url) -> Result<Vec<(String, String)>, String> {
    let mut kept = Vec::new();
    for (name, value) in url.query_pairs() {
        let name = name.as_ref();
        if name == "schema" {
            if value != "public" {
                return Err("must have schema=public or none: user_vectors is looked for in public".into());
            }
        } else if UNDERSTOOD.split(' ').any(|known| known == name)
            || (name.starts_with("options[") && name.ends_with(']'))
        {
            kept.push((name.to_owned(), value.into_owned()));
        } else if !PRISMAS.contains(&name) {
            return Err(format!("has a query parameter that is not understood; known are {UNDERSTOOD}"));
        }
    }
    Ok(kept)
}

/// The URL of a server: `http` or `https`, without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The connection is encrypted.
    pub(crate) fn uses_tls(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for HttpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Value for HttpUrl {
    const KIND: &'static str = "http(s):// URL";

    fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| "must be a URL such as https://registry:8081")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("must begin with http:// or https://".into());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must hold no credentials; they have settings of their own".into());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must have neither a query nor a fragment".into());
        }
        Ok(Self(url.into()))
    }

    fn show(text: &str) -> String {
        // A refused text may contain a password.
        if Self::parse(text).is_ok() { text.into() } else { REDACTED.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        for (text, shown) in [
            ("postgres://user:hush@host/db", "postgres://user:***@host/db"),
            (
                "postgresql://user:hush@host:5433/db?sslmode=require",
                "postgresql://user:***@host:5433/db?sslmode=require",
            ),
            ("postgres://host/db?user=u&password=hush", "postgres://host/db?user=u&password=***"),
            ("postgres://user@host/db", "postgres://user@host/db"),
            ("postgres://user:hush@host", "***"),
            ("hush", "***"),
        ] {
            assert_eq!(DatabaseUrl::show(text), shown, "{text}");
            let debug = format!("{:?}", DatabaseUrl::parse(text));
            assert!(!debug.contains("hush"), "{debug}");
        }
    }

    #[test]
    fn the_platforms_prisma_url_works_unchanged() {
        let url =
            DatabaseUrl::parse("postgresql://u:p@h:5432/db?schema=public&connection_limit=5&sslmode=disable").unwrap();
        assert_eq!(url.expose(), "postgresql://u:p@h:5432/db?sslmode=disable");
        assert!(DatabaseUrl::parse("postgresql://u:p@h/db?schema=other").is_err());
    }

    #[test]
    fn a_url_that_the_driver_would_misread_is_refused() {
        for text in [
            "",
            "mysql://h/db",
            "postgres://h",
            "postgres://h/",
            "postgres://u:p#x@h/db",
            "postgres://h/db#x",
            "postgres://h/db?pasword=hush",
            "postgres://h/db?sslmode=maybe",
            "postgres://h/db?port=x",
            "postgres://h:99999/db",
        ] {
            assert!(DatabaseUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_http_or_https_without_credentials() {
        let url = HttpUrl::parse("https://registry:8081/apis/ccompat/v7/").unwrap();
        assert_eq!(url.as_str(), "https://registry:8081/apis/ccompat/v7/");
        assert!(url.uses_tls() && !HttpUrl::parse("http://registry").unwrap().uses_tls());
        for text in ["", "registry:8081", "ftp://registry", "https://u:hush@registry", "http://r/?a=b", "http://r/#a"] {
            assert!(!HttpUrl::parse(text).unwrap_err().contains("hush"), "{text}");
            assert_eq!(HttpUrl::show(text), REDACTED);
        }
    }
}
