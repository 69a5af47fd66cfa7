//! A broker whose clients log in with tokens of an identity provider, which it verifies by the provider's keys.

use super::secured::{encrypted, grant};
use super::{Extra, Kafka, Life, free_port};
use crate::support::IdentityProvider;

/// On the plaintext listener every operation is allowed; with a token, `segmenter` has the documented ACLs. A connection ends
/// with its token, unless the client logs in anew.
pub struct TokenKafka {
    pub kafka: Kafka,
    port: u16,
}

impl TokenKafka {
    /// A broker for the tokens of `provider`, which has to be started before it.
    pub fn of(provider: &IdentityProvider) -> Self {
        let port = free_port();
        let keys = provider.keys_url();
        let allowed = format!("-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys}");
        let kafka = Kafka::start_with(Life::Short, &[allowed], |folder| Extra {
            listeners: vec![format!("SASL_SSL://localhost:{port}")],
            properties: format!(
                "{}sasl.enabled.mechanisms=OAUTHBEARER\nsasl.oauthbearer.jwks.endpoint.url={keys}\n\
                 sasl.oauthbearer.expected.audience={}\nsasl.oauthbearer.expected.issuer={}\n\
                 listener.name.sasl_ssl.oauthbearer.connections.max.reauth.ms=3600000\n\
                 listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=\
                 org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;\n\
                 listener.name.sasl_ssl.oauthbearer.sasl.server.callback.handler.class=\
                 org.apache.kafka.common.security.oauthbearer.OAuthBearerValidatorCallbackHandler\n",
                encrypted(folder),
                IdentityProvider::AUDIENCE,
                provider.issuer(),
            ),
            format: Vec::new(),
        });
        grant(kafka.brokers());
        Self { kafka, port }
    }

    /// For the binary's `KAFKA_BROKERS`.
    pub fn brokers(&self) -> String {
        format!("localhost:{}", self.port)
    }
}
