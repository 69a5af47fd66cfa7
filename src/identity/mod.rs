//! Tokens by which this process identifies itself to Kafka and to the schema registry.
//!
//! ```text
//! tokens     the current token: requested in advance, again and again
//!   oauth    requests a token of an identity provider: OAuth 2.0 client credentials
//!   msk_iam  signs a token with AWS credentials (feature `msk-iam`)
//! token      a token, or the reason why there is none
//! http       the HTTP clients of this process
//! ```

pub mod http;
#[cfg(feature = "msk-iam")]
pub mod msk_iam;
pub mod oauth;
pub mod token;
pub mod tokens;
