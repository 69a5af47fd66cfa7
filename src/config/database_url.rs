//! The address of the database: a URL that holds a password.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::secret::REDACTED;
use super::value::Value;

/// Query parameters that the driver understands.
const UNDERSTOOD: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Parameters of Prisma's own that mean nothing to us: its pool and its timeouts. The platform's URL can be used as it is.
const PRISMAS: [&str; 4] = ["connection_limit", "pool_timeout", "connect_timeout", "socket_timeout"];

/// A `postgres://` URL that names a database. Its `Debug` and `Display` have `***` in place of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Url);

impl DatabaseUrl {
    /// The URL for the driver, with the password, without Prisma's own parameters.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&redact(&self.0).unwrap_or_else(|| REDACTED.into()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The URL without its password, wherever that stands; `None` if that cannot be done.
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
    const SECRET: bool = true;

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
        // The driver's own words may repeat a part of the URL.
        PgConnectOptions::from_str(url.as_str()).map_err(|_| "has a part that the database driver refuses")?;
        Ok(Self(url))
    }

    fn show(text: &str) -> String {
        Self::parse(text).map_or_else(|_| REDACTED.into(), |url| url.to_string())
    }
}

/// The query parameters that go to the driver; an error for one that nobody understands (the driver would log its value).
fn driver_parameters(url: &Url) -> Result<Vec<(String, String)>, String> {
    let mut kept = Vec::new();
    for (name, value) in url.query_pairs() {
        let name = name.as_ref();
        if name == "schema" {
            if value != "public" {
                return Err("must have schema=public or none: user_vectors is looked for in public".into());
            }
        } else if UNDERSTOOD.contains(&name) || (name.starts_with("options[") && name.ends_with(']')) {
            kept.push((name.to_owned(), value.into_owned()));
        } else if !PRISMAS.contains(&name) {
            return Err("has a query parameter that is not understood; known are ".to_owned() + &UNDERSTOOD.join(", "));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown_wherever_it_stands() {
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
    fn the_platforms_prisma_url_can_be_used_as_it_is() {
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
}
