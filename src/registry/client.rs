//! Requests to a schema registry over HTTP (Confluent's API), and the meaning of its answers.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_versions, get_referenced_schema, get_schema_by_guid, get_schema_by_id,
    get_schema_by_subject_and_version, perform_sr_call, post_schema,
};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{
    RawError, RegisteredReference, RegisteredSchema, SchemaType, SrCall, SuppliedSchema,
};
use tokio::sync::Semaphore;

use crate::codec::framed::SchemaName;
use crate::config::Secret;
use crate::identity::http;
use crate::identity::tokens::Tokens;

/// How to reach the registry.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The root of its API, without credentials.
    pub url: String,
    pub login: Option<Login>,
    /// PEM files with a client's certificate and its key.
    pub certificate: Option<[PathBuf; 2]>,
    /// A PEM file with the authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The deadline of a request.
    pub timeout: Duration,
}

/// How this process identifies itself in a request.
#[derive(Debug, Clone)]
pub enum Login {
    /// HTTP Basic.
    Password { name: String, password: Secret },
    /// A bearer token that another program keeps valid.
    Token(Secret),
    /// A bearer token of an identity provider.
    Tokens(Tokens),
}

/// What identifies this process now: read for every request, since all of it may be rotated.
#[derive(Clone, PartialEq, Eq, Default)]
struct Identity {
    /// Name and password, or a bearer token without a name.
    login: Option<(Option<String>, String)>,
    /// Certificate and key, PEM.
    certificate: Vec<u8>,
}

impl ClientSettings {
    /// Blocks while the first token is requested.
    fn identity(&self) -> Result<Identity, String> {
        let login = match &self.login {
            None => None,
            Some(Login::Password { name, password }) => {
                Some((Some(name.clone()), password.current().map_err(|why| format!("registry.password: {why}"))?))
            }
            Some(Login::Token(token)) => Some((None, token.current().map_err(|why| format!("registry.token: {why}"))?)),
            Some(Login::Tokens(tokens)) => {
                Some((None, tokens.current().map_err(|failure| failure.to_string())?.text().to_owned()))
            }
        };
        Ok(Identity { login, certificate: self.certificate()? })
    }

    fn certificate(&self) -> Result<Vec<u8>, String> {
        let mut pem = Vec::new();
        for file in self.certificate.iter().flatten() {
            let read = std::fs::read(file);
            pem.extend(read.map_err(|error| format!("the file {} cannot be read: {error}", file.display()))?);
            pem.push(b'\n');
        }
        Ok(pem)
    }

    fn connect(&self, identity: &Identity) -> Result<SrSettings, ClientError> {
        let mut http = http::client(self.ca.as_deref(), self.timeout).map_err(ClientError::Authorities)?;
        if !identity.certificate.is_empty() {
            let own = reqwest::Identity::from_pem(&identity.certificate);
            http = http.identity(own.map_err(|error| ClientError::Certificate(http::text(&error)))?);
        }
        let mut builder = SrSettings::new_builder(self.url.trim_end_matches('/').to_owned());
        builder.set_timeout(self.timeout);
        match &identity.login {
            Some((Some(name), password)) => builder.set_basic_authorization(name, Some(password)),
            Some((None, token)) => builder.set_token_authorization(token),
            None => &mut builder,
        };
        builder.build_with(http).map_err(|error| ClientError::Http(error.error))
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("registry.ca {0}")]
    Authorities(String),
    #[error("registry.certificate with registry.key cannot be used: {0}")]
    Certificate(String),
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The registry itself reports that it does not have the subject, version or schema.
    #[error("the registry does not have it: {0}")]
    NotFound(String),
    /// The registry itself refuses the request.
    #[error("the registry refuses it: {0}")]
    Refused(String),
    /// Anything else: no answer, an error of the registry or of a proxy before it, refused credentials.
    #[error("{0}")]
    Unavailable(String),
}

/// A client. Cheap to clone; all clones share its connections.
#[derive(Clone)]
pub struct Client {
    settings: Arc<ClientSettings>,
    /// The connections, and the identity that they were made with.
    connected: Arc<Mutex<(Identity, SrSettings)>>,
    /// Limits the load on a registry that is small, or just recovering from an outage.
    at_once: Arc<Semaphore>,
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Client").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The most concurrent requests.
const AT_ONCE: usize = 4;

/// An id that no registry has assigned.
const UNASSIGNED_ID: u32 = i32::MAX.cast_unsigned();

/// The most schemas that one may refer to, directly and indirectly.
const MOST_REFERENCES: usize = 64;

impl Client {
    /// A client for this registry. Sends no request.
    ///
    /// # Errors
    /// A file of certificates cannot be used.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        let certificate = settings.certificate().map_err(ClientError::Certificate)?;
        let identity = Identity { login: None, certificate };
        let connected = settings.connect(&identity)?;
        Ok(Self {
            settings: Arc::new(settings),
            connected: Arc::new(Mutex::new((identity, connected))),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// The registry, connected with the present identity. New connections are made only where it has changed.
    async fn registry(&self) -> Result<SrSettings, Failure> {
        let (settings, connected) = (Arc::clone(&self.settings), Arc::clone(&self.connected));
        let connecting = tokio::task::spawn_blocking(move || {
            let identity = settings.identity()?;
            let mut connected = connected.lock().unwrap_or_else(PoisonError::into_inner);
            if connected.0 != identity {
                let anew = settings.connect(&identity).map_err(|error| error.to_string())?;
                *connected = (identity, anew);
            }
            Ok(connected.1.clone())
        });
        connecting.await.unwrap_or_else(|error| Err(error.to_string())).map_err(Failure::Unavailable)
    }

    /// The schema of this name.
    ///
    /// # Errors
    /// [`Failure::NotFound`] only where the registry itself reports it in its own format. The 404 of a proxy, or of an address
    /// that is not a registry's, is [`Failure::Unavailable`].
    pub async fn schema(&self, name: SchemaName) -> Result<RegisteredSchema, Failure> {
        let _permit = self.at_once.acquire().await;
        let registry = self.registry().await?;
        match name {
            SchemaName::Id(id) => get_schema_by_id(id, &registry).await.map_err(|error| failure(&error)),
            SchemaName::Guid(guid) => {
                let answer = get_schema_by_guid(&guid.to_string(), &registry).await;
                match answer.map_err(|error| (failure(&error), is_bare_404(&error))) {
                    Ok(schema) => Ok(schema),
                    // A registry without GUIDs does not know this path. Another request shows whether it is a registry at all.
                    Err((Failure::Unavailable(_), true)) => {
                        self.probe().await?;
                        Err(Failure::NotFound("it has no GUIDs".to_owned()))
                    }
                    Err((failure, _)) => Err(failure),
                }
            }
        }
    }

    /// Whether the address is a registry's, which answers this process.
    ///
    /// # Errors
    /// As [`Self::schema`].
    pub async fn probe(&self) -> Result<(), Failure> {
        match get_schema_by_id(UNASSIGNED_ID, &self.registry().await?).await.map_err(|error| failure(&error)) {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// The texts of the schemas that `references` lead to, each after those that it refers to itself.
    ///
    /// # Errors
    /// As [`Self::schema`]; refused where there are more than 64.
    pub(crate) async fn referenced(&self, references: &[RegisteredReference]) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        let mut seen: Vec<(String, u32)> = Vec::new();
        // Read from the last to the first, then reversed: so a schema comes after those that it refers to.
        let mut pending: Vec<RegisteredReference> = references.to_vec();
        while let Some(reference) = pending.pop() {
            let key = (reference.subject.clone(), reference.version);
            if seen.contains(&key) {
                continue;
            }
            if seen.len() == MOST_REFERENCES {
                return Err(Failure::Refused(format!("it refers to more than {MOST_REFERENCES} schemas")));
            }
            seen.push(key);
            let _permit = self.at_once.acquire().await;
            let found =
                get_referenced_schema(&self.registry().await?, &reference).await.map_err(|error| failure(&error))?;
            texts.push(found.schema);
            pending.extend(found.references);
        }
        texts.reverse();
        Ok(texts)
    }

    /// The Avro schemas of all versions of `subject`, by version; none where there is no such subject.
    ///
    /// # Errors
    /// The registry is unavailable.
    pub async fn versions(&self, subject: &str) -> Result<Vec<(u32, RegisteredSchema)>, Failure> {
        let registry = self.registry().await?;
        let versions = match get_all_versions(&registry, subject.to_owned()).await {
            Ok(versions) => versions,
            Err(error) => match failure(&error) {
                Failure::NotFound(_) => return Ok(Vec::new()),
                failure => return Err(failure),
            },
        };
        let mut schemas = Vec::with_capacity(versions.len());
        for version in versions {
            let found = get_schema_by_subject_and_version(&registry, subject, Some(version)).await;
            schemas.push((version, found.map_err(|error| failure(&error))?));
        }
        Ok(schemas)
    }

    /// The id of an Avro schema under `subject`. Registers the schema unless it is registered already; then no write permission
    /// is needed.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the registry refuses the schema, for example as incompatible with an earlier version.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, Failure> {
        let body = serde_json::json!({"schema": schema, "schemaType": "AVRO"}).to_string();
        let registry = self.registry().await?;
        let known = perform_sr_call(&registry, SrCall::PostForVersion(subject, &body)).await;
        match known.map_err(|error| failure(&error)) {
            Ok(found) => found.id.ok_or_else(|| Failure::Unavailable("its answer has no id".to_owned())),
            Err(Failure::NotFound(_)) => {
                let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
                let registered = post_schema(&registry, subject.to_owned(), supplied).await;
                registered.map(|registered| registered.id).map_err(|error| failure(&error))
            }
            Err(failure) => Err(failure),
        }
    }
}

fn failure(error: &SRCError) -> Failure {
    let Some(raw) = raw(error) else { return Failure::Unavailable(explained(error)) };
    // The first three digits of Confluent's codes are the HTTP status.
    match (raw.error_code, raw.error_code / 100) {
        (_, 404) => Failure::NotFound(raw.message.clone()),
        (409 | 422, _) | (_, 409 | 422) => Failure::Refused(raw.message.clone()),
        (0, _) => Failure::Unavailable(error.error.clone()),
        (code, _) => Failure::Unavailable(format!("{}: {} ({code})", error.error, raw.message)),
    }
}

/// The library's words and the causes of the error.
fn explained(error: &SRCError) -> String {
    match error.source() {
        Some(cause) => format!("{}: {}", error.error, http::explained(cause, "registry.ca")),
        None => error.error.clone(),
    }
}

fn raw(error: &SRCError) -> Option<&RawError> {
    error.source()?.downcast_ref()
}

/// A 404 that is not in a registry's format.
fn is_bare_404(error: &SRCError) -> bool {
    raw(error).is_some_and(|raw| raw.error_code == 0) && error.error.contains("404")
}
