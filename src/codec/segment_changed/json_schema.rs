//! The JSON Schema of segment-changed, made from the types that are serialised.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::Envelope;

#[derive(Serialize)]
struct Document {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    #[serde(rename = "$comment")]
    comment: &'static str,
    title: &'static str,
    #[serde(flatten)]
    schema: RefOr<Schema>,
    #[serde(rename = "$defs")]
    parts: BTreeMap<String, RefOr<Schema>>,
}

/// The schema (draft 2020-12) of a record's value.
///
/// # Errors
/// It cannot be serialised, which does not happen.
pub fn json_schema() -> serde_json::Result<Value> {
    let mut parts = Vec::new();
    Envelope::schemas(&mut parts);
    let mut parts: BTreeMap<String, RefOr<Schema>> = parts.into_iter().collect();
    for part in parts.values_mut() {
        // A stored row has no fields but these; a later record may.
        if let RefOr::T(Schema::Object(object)) = part {
            object.additional_properties = None;
        }
    }
    let document = Document {
        dialect: "https://json-schema.org/draft/2020-12/schema",
        comment: "Made by `segmenter schema print segment-changed > schemas/json/segment-changed.schema.json`; a test keeps it so.",
        title: "SegmentChanged",
        schema: Envelope::schema(),
        parts,
    };
    // The references are those of an OpenAPI document.
    serde_json::from_str(&serde_json::to_string(&document)?.replace("#/components/schemas/", "#/$defs/"))
}
