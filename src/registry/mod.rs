//! The edge of decoding: schemas that a value only names, asked of a registry and kept.
//!
//! ```text
//! client     what is asked over HTTP, and what the answers mean
//! ```
//!
//! A schema that was found is kept for ever, for its name never means another. Nothing is decided from a failure but one:
//! where the registry has published for 30 s that it has no such schema, it is unknown, and that is remembered for 60 s. No
//! answer, or one that is not the registry's own, decides nothing; it is asked again for as long as it takes.

pub mod client;
pub mod decoder;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use schema_registry_converter::schema_registry_common::SchemaType;

use crate::codec::avro::WriterSchema;
use crate::codec::framed::{SchemaName, framed};
use crate::codec::{Decoded, Limits, RawRecord, decode, decode_datum};
use crate::domain::event::{Reason, Rejection};
use crate::runtime::retry::Retry;
pub use client::{Client, ClientError, ClientSettings, Failure};

/// How long the registry has to say that it does not have a schema: a producer may be about to register it.
const UNKNOWN_AFTER: Duration = Duration::from_secs(30);
/// How long an unknown schema is not asked for again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How a datum is written.
#[derive(Debug)]
pub enum Writer {
    Avro(Box<WriterSchema>),
    /// The datum is JSON text; what its schema says is not held against it.
    Json,
}

/// What the registry answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Found,
    /// It does not have the schema, or has one that no datum can be read with.
    Unknown,
    /// It did not answer, or not to the question.
    Unavailable(String),
}

impl Answer {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Unknown => "unknown",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// A registry's schemas. Cheap to clone; all clones share what is kept.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    known: RwLock<HashMap<SchemaName, Arc<Writer>>>,
    unknown: Mutex<HashMap<SchemaName, Unknown>>,
}

#[derive(Debug)]
struct Unknown {
    until: Instant,
    why: String,
}

/// Decides what a record is whose value may name a schema of `registry`, in itself or in `header`, the value of
/// [`SCHEMA_HEADER`](crate::codec::framed::SCHEMA_HEADER). Total, as [`decode`](decode()) is, but for a schema that has to be
/// learnt first.
///
/// # Errors
/// The name of the schema to [`learn`](Registry::learn), after which this is to be asked again.
pub fn decode_with(
    registry: Option<&Registry>,
    record: &RawRecord<'_>,
    header: Option<&[u8]>,
    limits: &Limits,
) -> Result<Decoded, SchemaName> {
    let (Some(registry), Some(value)) = (registry, record.value) else { return Ok(decode(record, limits)) };
    if value.is_empty() || value.len() > limits.max_value_bytes {
        return Ok(decode(record, limits));
    }
    let framed = match framed(value, header) {
        None => return Ok(decode(record, limits)),
        Some(Err(rejection)) => return Ok(Decoded::Rejected(rejection)),
        Some(Ok(framed)) => framed,
    };
    if let Some(writer) = registry.known(framed.schema) {
        return Ok(match &*writer {
            Writer::Avro(schema) => decode_datum(record, schema, framed.datum, limits),
            Writer::Json => decode(&RawRecord { value: Some(framed.datum), ..*record }, limits),
        });
    }
    match registry.why_unknown(framed.schema) {
        Some(why) => Ok(Decoded::Rejected(Rejection::new(Reason::UnknownSchema, why))),
        None => Err(framed.schema),
    }
}

impl Registry {
    /// The schemas that `client` can be asked for; none is known yet.
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Inner { client, known: RwLock::default(), unknown: Mutex::default() }))
    }

    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Asks until it is decided whether the schema can be read with; `on_answer` is told of every answer.
    pub async fn learn(&self, schema: SchemaName, on_answer: impl Fn(&Answer)) {
        let mut retry = Retry::forever();
        let mut missing_since = None;
        loop {
            let answer = match self.ask(schema).await {
                Ok(Some(writer)) => {
                    self.keep(schema, writer);
                    Answer::Found
                }
                Ok(None) => Answer::Unknown,
                Err(failure) => Answer::Unavailable(failure),
            };
            on_answer(&answer);
            match answer {
                Answer::Found => return,
                Answer::Unknown if self.why_unknown(schema).is_some() => return,
                Answer::Unknown => {
                    let since = *missing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= UNKNOWN_AFTER {
                        return self.remember_unknown(schema, format!("the registry has no {schema}"));
                    }
                }
                // Whether it has been missing all the while is not known.
                Answer::Unavailable(_) => missing_since = None,
            }
            retry.wait().await;
        }
    }

    /// One question: the writer, or nothing if the registry does not have it.
    async fn ask(&self, schema: SchemaName) -> Result<Option<Writer>, String> {
        let registered = match self.0.client.schema(schema).await {
            Ok(registered) => registered,
            Err(Failure::NotFound(_)) => return Ok(None),
            Err(failure) => return Err(failure.to_string()),
        };
        let unusable = |why: &str| self.remember_unknown(schema, format!("{schema} {why}"));
        match registered.schema_type {
            SchemaType::Json => return Ok(Some(Writer::Json)),
            SchemaType::Avro => {}
            _ => {
                unusable("is neither of Avro nor of JSON");
                return Ok(None);
            }
        }
        let others = match self.0.client.referenced(&registered.references).await {
            Ok(others) => others,
            Err(Failure::Unavailable(why)) => return Err(why),
            Err(_) => {
                unusable("refers to schemas that the registry does not give");
                return Ok(None);
            }
        };
        match WriterSchema::parse_with(&registered.schema, &others) {
            Ok(schema) => Ok(Some(Writer::Avro(Box::new(schema)))),
            Err(error) => {
                unusable(&format!("cannot be used: {error}"));
                Ok(None)
            }
        }
    }

    fn known(&self, schema: SchemaName) -> Option<Arc<Writer>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).get(&schema).cloned()
    }

    fn keep(&self, schema: SchemaName, writer: Writer) {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).insert(schema, Arc::new(writer));
    }

    fn why_unknown(&self, schema: SchemaName) -> Option<String> {
        let unknown = self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(&schema).filter(|unknown| unknown.until > Instant::now()).map(|unknown| unknown.why.clone())
    }

    fn remember_unknown(&self, schema: SchemaName, why: String) {
        let now = Instant::now();
        let mut unknown = self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        // What is forgotten goes, so that the names of a hostile producer do not pile up.
        unknown.retain(|_, unknown| unknown.until > now);
        unknown.insert(schema, Unknown { until: now + REMEMBERED, why });
    }
}
