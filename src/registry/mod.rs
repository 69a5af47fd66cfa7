//! Schemas that a record's value only names: requested from a schema registry and cached.
//!
//! ```text
//! client     requests over HTTP, and the meaning of the answers
//! decoder    decoding for commands that read topics
//! ```
//!
//! A schema that was found is cached for ever, since its name never means another one. A schema is unknown once the registry
//! has reported for 30 s that it does not have it; that is cached for 60 s. Without an answer, or with one that is not the
//! registry's own, the request is repeated without an end, and the record waits.

pub mod client;
pub mod decoder;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use schema_registry_converter::schema_registry_common::SchemaType;
use tracing::error;

use crate::codec::avro::WriterSchema;
use crate::codec::framed::{SchemaName, framed};
use crate::codec::{Decoded, Limits, RawRecord, decode, decode_datum, traceparent};
use crate::domain::event::{Reason, Rejection};
use crate::runtime::fault::panic_point;
use crate::runtime::panics::{Panicked, catch};
use crate::runtime::retry::Retry;
pub use client::{Client, Failure};
pub(crate) use client::{ClientError, ClientSettings, Login};

/// How long the registry must report a schema as missing before it is unknown: a producer may be about to register it.
const UNKNOWN_AFTER: Duration = Duration::from_secs(30);
/// How long an unknown schema is not requested again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How a datum is written.
#[derive(Debug)]
pub enum Writer {
    Avro(Box<WriterSchema>),
    /// The datum is JSON text. It is not validated against the registered schema.
    Json,
}

/// The answer of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Found,
    /// The registry does not have the schema, or no datum can be read with it.
    Unknown,
    /// The registry did not answer, or the answer was not its own.
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

/// A registry's schemas. Cheap to clone; all clones share the cache.
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
    /// Of the records whose value names the schema.
    rejection: Rejection,
}

/// Decodes a record whose value may name a schema of `registry`, in itself or in `header`, the value of
/// [`SCHEMA_HEADER`](crate::codec::framed::SCHEMA_HEADER). Total, as [`decode`](decode()) is, once the schema is cached. A panic
/// rejects the record.
///
/// # Errors
/// The name of a schema that is not cached: call [`learn`](Registry::learn) with it, then decode again.
pub(crate) fn decode_with(
    registry: Option<&Registry>,
    record: &RawRecord<'_>,
    header: Option<&[u8]>,
    limits: &Limits,
) -> Result<Decoded, SchemaName> {
    catch(|| decode_or_name(registry, record, header, limits)).unwrap_or_else(|Panicked| {
        let (topic, partition, offset) = (record.topic, record.partition, record.offset);
        let trace_id = record.traceparent.and_then(traceparent::trace_id);
        error!(
            topic,
            partition, offset, trace_id, "an event cannot be decoded because of a defect; its record is rejected"
        );
        Ok(Decoded::Rejected(Rejection::internal(Panicked.to_string())))
    })
}

fn decode_or_name(
    registry: Option<&Registry>,
    record: &RawRecord<'_>,
    header: Option<&[u8]>,
    limits: &Limits,
) -> Result<Decoded, SchemaName> {
    panic_point("panic-in-decode", |key| record.key == Some(key.as_bytes()));
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
    registry.why_unknown(framed.schema).map(Decoded::Rejected).ok_or(framed.schema)
}

impl Registry {
    /// The schemas of the registry that `client` reaches. The cache is empty.
    pub fn new(client: Client) -> Self {
        Self(Arc::new(Inner { client, known: RwLock::default(), unknown: Mutex::default() }))
    }

    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Requests the schema until it is found or unknown. Calls `on_answer` with each answer.
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
                        return self.remember_unknown(schema, unknown_schema(format!("the registry has no {schema}")));
                    }
                }
                // The registry may have had the schema meanwhile.
                Answer::Unavailable(_) => missing_since = None,
            }
            retry.wait().await;
        }
    }

    /// One request: the writer, or `None` if the registry has none that can be used.
    async fn ask(&self, schema: SchemaName) -> Result<Option<Writer>, String> {
        let registered = match self.0.client.schema(schema).await {
            Ok(registered) => registered,
            Err(Failure::NotFound(_)) => return Ok(None),
            Err(failure) => return Err(failure.to_string()),
        };
        let unusable = |why: &str| self.remember_unknown(schema, unknown_schema(format!("{schema} {why}")));
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
        let parse = || {
            panic_point("panic-in-schema", |_| true);
            WriterSchema::parse_with(&registered.schema, &others)
        };
        match catch(parse) {
            Ok(Ok(schema)) => return Ok(Some(Writer::Avro(Box::new(schema)))),
            Ok(Err(error)) => unusable(&format!("cannot be used: {error}")),
            Err(panicked) => self.remember_unknown(schema, Rejection::internal(format!("{schema}: {panicked}"))),
        }
        Ok(None)
    }

    fn known(&self, schema: SchemaName) -> Option<Arc<Writer>> {
        self.0.known.read().unwrap_or_else(PoisonError::into_inner).get(&schema).cloned()
    }

    fn keep(&self, schema: SchemaName, writer: Writer) {
        self.0.known.write().unwrap_or_else(PoisonError::into_inner).insert(schema, Arc::new(writer));
    }

    fn why_unknown(&self, schema: SchemaName) -> Option<Rejection> {
        let unknown = self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(&schema).filter(|unknown| unknown.until > Instant::now()).map(|unknown| unknown.rejection.clone())
    }

    fn remember_unknown(&self, schema: SchemaName, rejection: Rejection) {
        let now = Instant::now();
        let mut unknown = self.0.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        // Expired names are dropped, so that a hostile producer's names do not accumulate.
        unknown.retain(|_, unknown| unknown.until > now);
        unknown.insert(schema, Unknown { until: now + REMEMBERED, rejection });
    }
}

fn unknown_schema(why: String) -> Rejection {
    Rejection::new(Reason::UnknownSchema, why)
}
