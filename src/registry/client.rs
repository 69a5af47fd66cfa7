//! Asking a registry over HTTP, in Confluent's API, and telling what its answers mean.

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
    /// Where its API begins, without a slash at the end and without credentials.
    pub url: String,
    /// Name and password for HTTP Basic.
    pub login: Option<(String, String)>,
    /// A PEM file with the trusted authorities, in the place of the system's.
    pub ca: Option<PathBuf>,
    /// How long one answer may take.
    pub timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("registry.ca {path}: {reason}")]
    Authorities { path: String, reason: String },
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// Why the registry did not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It says itself that it has no such thing.
    #[error("the registry does not have it: {0}")]
    NotFound(String),
    /// It says itself that it does not take this.
    #[error("the registry refuses it: {0}")]
    Refused(String),
    /// Anything else: no answer, an error of its own or of something before it, refused credentials.
    #[error("{0}")]
    Unavailable(String),
}

/// A client. Cheap to clone; all clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    registry: SrSettings,
    /// A registry is small, and may just be coming back.
    at_once: Arc<Semaphore>,
}

/// How many questions are under way at once.
const AT_ONCE: usize = 4;

/// An id that no registry has counted up to.
const NOBODYS_ID: u32 = i32::MAX.cast_unsigned();

/// How many schemas one may refer to, in all.
const MOST_REFERENCES: usize = 64;

impl Client {
    /// A client for this registry. Nothing is asked yet.
    ///
    /// # Errors
    /// The file of authorities cannot be used.
    pub fn new(settings: &ClientSettings) -> Result<Self, ClientError> {
        // Refused only where a provider is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .user_agent(concat!("segmenter/", env!("CARGO_PKG_VERSION")))
            // Credentials go nowhere but where they were configured for.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &settings.ca {
            let unusable = |reason: String| ClientError::Authorities { path: path.display().to_string(), reason };
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(words(&error)))?;
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
    /// [`Failure::NotFound`] only where the registry itself says so, in its own words: the 404 of something before it, or of
    /// an address that is not a registry's, is none.
    pub async fn schema(&self, name: SchemaName) -> Result<RegisteredSchema, Failure> {
        let _permit = self.at_once.acquire().await;
        match name {
            SchemaName::Id(id) => get_schema_by_id(id, &self.registry).await.map_err(|error| failure(&error)),
            SchemaName::Guid(guid) => {
                let answer = get_schema_by_guid(&guid.to_string(), &self.registry).await;
                match answer.map_err(|error| (failure(&error), is_bare_404(&error))) {
                    Ok(schema) => Ok(schema),
                    // A registry without GUIDs does not know the question. It is one if it knows the other.
                    Err((Failure::Unavailable(_), true)) => Err(self.as_a_registry().await?),
                    Err((failure, _)) => Err(failure),
                }
            }
        }
    }

    async fn as_a_registry(&self) -> Result<Failure, Failure> {
        match get_schema_by_id(NOBODYS_ID, &self.registry).await.map_err(|error| failure(&error)) {
            Ok(_) | Err(Failure::NotFound(_)) => Ok(Failure::NotFound("it knows no GUIDs".to_owned())),
            Err(failure) => Err(failure),
        }
    }

    /// The texts of the schemas that `references` lead to, each after those that it refers to itself.
    ///
    /// # Errors
    /// As [`Self::schema`]; refused where there are more than 64.
    pub async fn referenced(&self, references: &[RegisteredReference]) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        let mut seen: Vec<(String, u32)> = Vec::new();
        // From the last to the first: what a schema refers to comes to stand before it once the list is turned round.
        let mut left: Vec<RegisteredReference> = references.to_vec();
        while let Some(reference) = left.pop() {
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
            left.extend(found.references);
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

    /// The id of an Avro schema under `subject`, which is registered there unless it is already. Where it is, no right to
    /// write is needed.
    ///
    /// # Errors
    /// [`Failure::Refused`] where the registry does not take it, say because it is not compatible with an earlier version.
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
    let Some(raw) = raw(error) else { return Failure::Unavailable(with_hint(words(error))) };
    // Of Confluent's codes the first three digits are the status.
    match (raw.error_code, raw.error_code / 100) {
        (_, 404) => Failure::NotFound(raw.message.clone()),
        (409 | 422, _) | (_, 409 | 422) => Failure::Refused(raw.message.clone()),
        (0, _) => Failure::Unavailable(error.error.clone()),
        (code, _) => Failure::Unavailable(format!("{}: {} ({code})", error.error, raw.message)),
    }
}

/// Which setting has to do with the words, if one has.
fn with_hint(words: String) -> String {
    if words.contains("invalid peer certificate") {
        format!("{words}; registry.ca names the authorities that are trusted")
    } else {
        words
    }
}

fn raw(error: &SRCError) -> Option<&RawError> {
    error.source()?.downcast_ref()
}

/// A 404 that is not in a registry's words.
fn is_bare_404(error: &SRCError) -> bool {
    raw(error).is_some_and(|raw| raw.error_code == 0) && error.error.contains("404")
}

/// The error and what caused it; the innermost says the most.
fn words(error: &(dyn Error + 'static)) -> String {
    let mut words = match error.downcast_ref::<SRCError>() {
        Some(error) => error.error.clone(),
        None => error.to_string(),
    };
    let mut source = error.source();
    while let Some(inner) = source {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        source = inner.source();
    }
    words
}
