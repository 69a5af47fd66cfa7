//! Requests to a schema registry over HTTP (Confluent's API), and the meaning of its answers.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
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

/// How to reach the registry.
#[derive(Clone)]
pub struct ClientSettings {
    /// The root of its API, without a slash at the end and without credentials.
    pub url: String,
    /// Name and password for HTTP Basic.
    pub login: Option<(String, String)>,
    /// A PEM file with the authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The deadline of a request.
    pub timeout: Duration,
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("registry.ca {path}: {reason}")]
    Authorities { path: String, reason: String },
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
#[derive(Debug, Clone)]
pub struct Client {
    registry: SrSettings,
    /// Limits the load on a registry that is small, or just recovering from an outage.
    at_once: Arc<Semaphore>,
}

/// How long a connection is idle before it is probed.
const KEEPALIVE: Duration = Duration::from_secs(15);

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
    /// The file of authorities cannot be used.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            // The deadline of a request includes its connection; a kept one that has died silently is found by probes.
            .connect_timeout(settings.timeout)
            .tcp_keepalive(KEEPALIVE)
            .user_agent(concat!("segmenter/", env!("CARGO_PKG_VERSION")))
            // Credentials are sent only to the configured address.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &settings.ca {
            let unusable = |reason: String| ClientError::Authorities { path: path.display().to_string(), reason };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(text(&error)))?;
            if authorities.is_empty() {
                return Err(unusable("holds no certificate".to_owned()));
            }
            http = http.tls_certs_only(authorities);
        }
        let mut builder = SrSettings::new_builder(settings.url.clone());
        builder.set_timeout(settings.timeout);
        if let Some((name, password)) = &settings.login {
            builder.set_basic_authorization(name, Some(password));
        }
        let registry = builder.build_with(http).map_err(|error| ClientError::Http(error.error))?;
        Ok(Self { registry, at_once: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    /// The schema of this name.
    ///
    /// # Errors
    /// [`Failure::NotFound`] only where the registry itself reports it in its own format. The 404 of a proxy, or of an address
    /// that is not a registry's, is [`Failure::Unavailable`].
    pub async fn schema(&self, name: SchemaName) -> Result<RegisteredSchema, Failure> {
        let _permit = self.at_once.acquire().await;
        match name {
            SchemaName::Id(id) => get_schema_by_id(id, &self.registry).await.map_err(|error| failure(&error)),
            SchemaName::Guid(guid) => {
                let answer = get_schema_by_guid(&guid.to_string(), &self.registry).await;
                match answer.map_err(|error| (failure(&error), is_bare_404(&error))) {
                    Ok(schema) => Ok(schema),
                    // A registry without GUIDs does not know this path. A request by id shows whether it is a registry at all.
                    Err((Failure::Unavailable(_), true)) => Err(self.no_guids_if_registry().await?),
                    Err((failure, _)) => Err(failure),
                }
            }
        }
    }

    /// [`Failure::NotFound`] if the address is a registry's.
    ///
    /// # Errors
    /// As [`Self::schema`].
    async fn no_guids_if_registry(&self) -> Result<Failure, Failure> {
        match get_schema_by_id(UNASSIGNED_ID, &self.registry).await.map_err(|error| failure(&error)) {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(Failure::NotFound("it has no GUIDs".to_owned())),
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
            let found = get_referenced_schema(&self.registry, &reference).await.map_err(|error| failure(&error))?;
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
        let versions = match get_all_versions(&self.registry, subject.to_owned()).await {
            Ok(versions) => versions,
            Err(error) => match failure(&error) {
                Failure::NotFound(_) => return Ok(Vec::new()),
                failure => return Err(failure),
            },
        };
        let mut schemas = Vec::with_capacity(versions.len());
        for version in versions {
            let found = get_schema_by_subject_and_version(&self.registry, subject, Some(version)).await;
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
        let known = perform_sr_call(&self.registry, SrCall::PostForVersion(subject, &body)).await;
        match known.map_err(|error| failure(&error)) {
            Ok(found) => found.id.ok_or_else(|| Failure::Unavailable("its answer has no id".to_owned())),
            Err(Failure::NotFound(_)) => {
                let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
                let registered = post_schema(&self.registry, subject.to_owned(), supplied).await;
                registered.map(|registered| registered.id).map_err(|error| failure(&error))
            }
            Err(failure) => Err(failure),
        }
    }
}

fn failure(error: &SRCError) -> Failure {
    let Some(raw) = raw(error) else { return Failure::Unavailable(with_hint(text(error))) };
    // The first three digits of Confluent's codes are the HTTP status.
    match (raw.error_code, raw.error_code / 100) {
        (_, 404) => Failure::NotFound(raw.message.clone()),
        (409 | 422, _) | (_, 409 | 422) => Failure::Refused(raw.message.clone()),
        (0, _) => Failure::Unavailable(error.error.clone()),
        (code, _) => Failure::Unavailable(format!("{}: {} ({code})", error.error, raw.message)),
    }
}

/// Names the setting that the error text is about, if there is one.
fn with_hint(text: String) -> String {
    if text.contains("invalid peer certificate") {
        format!("{text}; registry.ca names the authorities that are trusted")
    } else {
        text
    }
}

fn raw(error: &SRCError) -> Option<&RawError> {
    error.source()?.downcast_ref()
}

/// A 404 that is not in a registry's format.
fn is_bare_404(error: &SRCError) -> bool {
    raw(error).is_some_and(|raw| raw.error_code == 0) && error.error.contains("404")
}

/// The error and its causes; the innermost is the most specific.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<SRCError>() {
        Some(error) => error.error.clone(),
        None => error.to_string(),
    };
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
