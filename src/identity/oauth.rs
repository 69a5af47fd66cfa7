//! Requests a token of an identity provider: OAuth 2.0 client credentials (RFC 6749, 4.4).

use std::path::PathBuf;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use url::form_urlencoded;

use super::http;
use super::token::{DEADLINE, Failure, Token};
use crate::config::Secret;

/// This process at its identity provider.
#[derive(Debug, Clone)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub url: String,
    pub client_id: String,
    pub secret: Secret,
    pub scope: Option<String>,
    /// A PEM file with the trusted authorities of the endpoint.
    pub ca: Option<PathBuf>,
    /// The setting that names this file.
    pub ca_setting: &'static str,
}

/// How long a token is used whose life the answer does not name.
const UNNAMED_LIFE: Duration = Duration::from_secs(60);

/// The most characters of the provider's own words that are passed on.
const LONGEST_TEXT: usize = 300;

impl ClientCredentials {
    /// One request, with the secret and the authorities as they are now.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the provider refuses the client, in OAuth's own form; anything else is
    /// [`Failure::Unavailable`]. The secret is in neither.
    pub(super) async fn request(&self) -> Result<Token, Failure> {
        let secret = self.secret.current().map_err(Failure::Unavailable)?;
        let unavailable = |error: reqwest::Error| Failure::Unavailable(http::explained(&error, self.ca_setting));
        let client = http::client(self.ca.as_deref(), DEADLINE).map_err(Failure::Unavailable)?;
        let client = client.build().map_err(unavailable)?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        let request = client
            .post(&self.url)
            .basic_auth(&self.client_id, Some(&secret))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(form.finish());
        let mut response = request.send().await.map_err(unavailable)?;
        let body = http::body(&mut response).await.map_err(unavailable)?;
        self.token(response.status(), &serde_json::from_slice(&body).unwrap_or_default(), &secret)
    }

    fn token(&self, status: StatusCode, answer: &Value, secret: &str) -> Result<Token, Failure> {
        if status.is_success() {
            let token = answer["access_token"].as_str().filter(|token| !token.is_empty());
            let token = token.ok_or_else(|| Failure::Unavailable("its answer has no access_token".to_owned()))?;
            let life = &answer["expires_in"];
            // Some providers send the number as a string.
            let seconds = life.as_u64().or_else(|| life.as_str()?.parse().ok());
            let life = seconds.map_or(UNNAMED_LIFE, Duration::from_secs);
            return Ok(Token::new(token.to_owned(), self.client_id.clone(), life));
        }
        let Some(error) = answer["error"].as_str().filter(|_| status.is_client_error()) else {
            return Err(Failure::Unavailable(format!("it answers {status}")));
        };
        let words = [Some(error), answer["error_description"].as_str()].into_iter().flatten();
        let words = words.collect::<Vec<_>>().join(": ").replace(secret, "***");
        let text = words.chars().filter(|letter| !letter.is_control()).take(LONGEST_TEXT).collect::<String>();
        let is_final = status != StatusCode::TOO_MANY_REQUESTS && error != "temporarily_unavailable";
        Err(if is_final { Failure::Refused(text) } else { Failure::Unavailable(text) })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Value as _;

    fn answered(status: u16, answer: &Value) -> Result<Token, Failure> {
        let client = ClientCredentials {
            url: String::new(),
            client_id: "segmenter".to_owned(),
            secret: Secret::parse("hush").unwrap(),
            scope: None,
            ca: None,
            ca_setting: "x",
        };
        client.token(StatusCode::from_u16(status).unwrap(), answer, "hush")
    }

    #[test]
    fn a_refusal_is_final_only_in_oauths_own_form() {
        let refused = answered(400, &json!({"error": "invalid_client", "error_description": "not hush\u{7}"}));
        assert_eq!(refused, Err(Failure::Refused("invalid_client: not ***".to_owned())));
        for (status, answer) in [
            (400, json!("no JSON of OAuth's")),
            (404, json!(null)),
            (429, json!({"error": "slow_down"})),
            (400, json!({"error": "temporarily_unavailable"})),
            (500, json!({"error": "server_error"})),
            (302, json!({"error": "x"})),
            (200, json!({"token": "x"})),
            (200, json!({"access_token": ""})),
        ] {
            assert!(matches!(answered(status, &answer), Err(Failure::Unavailable(_))), "{status} {answer}");
        }
    }

    #[test]
    fn a_token_has_its_named_life_and_is_never_shown() {
        for (life, seconds) in [(json!(3600), 3600), (json!("30"), 30), (json!(null), 60)] {
            let token = answered(200, &json!({"access_token": "hush", "expires_in": life})).unwrap();
            let left = token.left();
            assert!(left <= Duration::from_secs(seconds) && left > Duration::from_secs(seconds - 5), "{life}");
            assert_eq!(token.text(), "hush");
            assert!(!format!("{token:?}").contains("hush"));
        }
    }
}
