//! The topics in AsyncAPI: operations, keys, headers and values. The schemas of values are files beside it.

use serde_json::{Map, Value, json};

use crate::codec::framed::SCHEMA_HEADER;
use crate::codec::segment_changed::{ERASED_AT_HEADER, REVISION_HEADER};
use crate::config::{TopicName, TopicsConfig};
use crate::domain::event::Reason;
use crate::ingest::dead_letter as dead;
use crate::kafka::headers::TRACEPARENT;

/// The contract of the topics: AsyncAPI 3.0.
///
/// # Errors
/// An example is not JSON, which does not happen.
pub(super) fn asyncapi(topics: &TopicsConfig) -> serde_json::Result<Value> {
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "segmenter",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Travellers' events in, changes of their segments out. Names of topics are those of the configuration.",
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {
            "host": "{brokers}",
            "protocol": "kafka",
            "variables": {"brokers": {"default": "localhost:9092", "description": "The setting `kafka.brokers`."}},
        }},
        "channels": {
            "onboardingCompleted": channel(&topics.onboarding_completed, "Whole profiles.",
                &["onboardingCompleted", "onboardingCompletedAvro", "erasure"]),
            "profileUpdated": channel(&topics.profile_updated, "Changed sections of profiles.",
                &["profileUpdated", "profileUpdatedAvro", "erasure"]),
            "segmentChanged": channel(&topics.segment_changed,
                "Changes of rankings; the newest record of a user is the whole state. The setting \
                 `topics.segment_changed_encoding` decides on JSON or Avro.",
                &["segmentChanged", "segmentChangedAvro", "segmentChangedTombstone"]),
            "deadLetter": channel(&topics.dead_letter, "Rejected records of both input topics.", &["deadLetter"]),
        },
        "operations": {
            "receiveOnboardingCompleted": operation("receive", "onboardingCompleted"),
            "receiveProfileUpdated": operation("receive", "profileUpdated"),
            "sendSegmentChanged": operation("send", "segmentChanged"),
            "sendDeadLetter": operation("send", "deadLetter"),
        },
        "components": {"messages": messages()?},
    }))
}

/// The events, each in JSON and in Avro: the message, the name of its files, a summary, an example.
const EVENTS: [(&str, &str, &str, &str); 3] = [
    (
        "onboardingCompleted",
        "onboarding-completed",
        "The whole profile of a user that has finished the onboarding, in the envelope or bare.",
        include_str!("../../../schemas/examples/onboarding-completed.json"),
    ),
    (
        "profileUpdated",
        "profile-updated",
        "The sections that changed, each whole, in the envelope or bare.",
        include_str!("../../../schemas/examples/profile-updated.json"),
    ),
    (
        "segmentChanged",
        "segment-changed",
        "A user's ranking of segments changed.",
        include_str!("../../../schemas/examples/segment-changed.json"),
    ),
];

fn messages() -> serde_json::Result<Map<String, Value>> {
    let mut messages = Map::new();
    for (name, file, summary, example) in EVENTS {
        let headers = |in_avro| if name == "segmentChanged" { change_headers() } else { input_headers(in_avro) };
        let example: Value = serde_json::from_str(example)?;
        let json = [
            ("payload", json!({"$ref": format!("./json/{file}.schema.json")})),
            ("examples", json!([{"payload": example}])),
        ];
        messages.insert(name.to_owned(), message(summary, user_id(), headers(false), json));
        let schema = json!({"$ref": format!("./{file}.avsc")});
        let avro = [
            ("contentType", "application/avro".into()),
            ("payload", json!({"schemaFormat": "application/vnd.apache.avro;version=1.9.0", "schema": schema})),
        ];
        let summary = format!("{summary} In Confluent's framing, or in single-object encoding.");
        messages.insert(format!("{name}Avro"), message(&summary, user_id(), headers(true), avro));
    }
    let tombstone = || [("payload", json!({"type": "null"}))];
    let erasure = "A tombstone: erases what is older than the record.";
    messages.insert("erasure".to_owned(), message(erasure, user_id(), headers(&[], &[]), tombstone()));
    let erased = message("The user was erased or deleted.", user_id(), headers(&CHANGE, &[ERASED_AT]), tombstone());
    messages.insert("segmentChangedTombstone".to_owned(), erased);
    let rejected = "The original key, value and headers of a rejected record, with the reason in more headers. One that the \
                    topic does not take whole is truncated.";
    let original = [
        ("contentType", "application/octet-stream".into()),
        ("payload", json!({"description": "The original bytes."})),
    ];
    let original_key = json!({"description": "The original key."});
    messages.insert("deadLetter".to_owned(), message(rejected, original_key, dead_letter_headers(), original));
    Ok(messages)
}

fn channel(topic: &TopicName, description: &str, messages: &[&str]) -> Value {
    let messages: Map<String, Value> = messages
        .iter()
        .map(|name| ((*name).to_owned(), json!({"$ref": format!("#/components/messages/{name}")})))
        .collect();
    json!({"address": topic.as_str(), "description": description, "servers": [{"$ref": "#/servers/kafka"}], "messages": messages})
}

fn operation(action: &str, channel: &str) -> Value {
    json!({"action": action, "channel": {"$ref": format!("#/channels/{channel}")}})
}

fn message<const N: usize>(summary: &str, key: Value, headers: Value, more: [(&str, Value); N]) -> Value {
    let bindings = json!({"kafka": {"key": key, "bindingVersion": "0.5.0"}});
    let members = [("summary", summary.into()), ("headers", headers), ("bindings", bindings)];
    members.into_iter().chain(more).collect()
}

fn user_id() -> Value {
    json!({"type": "string", "description": "The user's id."})
}

/// The schema of a message's headers, each with its description.
fn headers(required: &[(&str, &str)], optional: &[(&str, &str)]) -> Value {
    let property = |(name, description): &(&str, &str)| {
        let schema = match *name {
            dead::REASON => json!({"enum": Reason::ALL.map(Reason::as_str), "description": description}),
            _ => json!({"type": "string", "description": description}),
        };
        ((*name).to_owned(), schema)
    };
    let properties: Map<String, Value> = required.iter().chain(optional).map(property).collect();
    let required: Vec<&str> = required.iter().map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

const TRACE: (&str, &str) = (TRACEPARENT, "W3C trace context, carried through to segment-changed.");

fn input_headers(in_avro: bool) -> Value {
    let schema = (SCHEMA_HEADER, "The GUID of the schema in the registry, instead of the framing.");
    if in_avro { headers(&[], &[TRACE, schema]) } else { headers(&[], &[TRACE]) }
}

/// The headers of every record on segment-changed.
const CHANGE: [(&str, &str); 6] = [
    (REVISION_HEADER, "Grows with everything published of a user; lower ones than the highest seen are ignored."),
    ("ce_specversion", "CloudEvents: 1.0."),
    ("ce_id", "The eventId."),
    ("ce_type", "The eventType."),
    ("ce_source", "segmenter."),
    ("ce_time", "The revision as a time, RFC 3339."),
];

fn change_headers() -> Value {
    let content_type = ("content-type", "application/json or application/avro.");
    headers(&[&CHANGE[..], &[content_type]].concat(), &[TRACE])
}

const ERASED_AT: (&str, &str) =
    (ERASED_AT_HEADER, "The time in Unix ms; only where an erasure made it, not a delete on the platform.");

fn dead_letter_headers() -> Value {
    headers(
        &[
            (dead::REASON, "The reason."),
            (dead::ATTEMPTS, "How often the record has been processed."),
            (dead::FAILED_AT, "When it was rejected, RFC 3339."),
            (dead::ORIGINAL_TOPIC, "The topic of the original."),
            (dead::ORIGINAL_PARTITION, "The partition of the original."),
            (dead::ORIGINAL_OFFSET, "The offset of the original."),
            (dead::STAGE, "VALUE_CONVERTER, or TASK_PUT where the database or the platform's users decided."),
            (dead::CLASS, "`segmenter.` and the reason."),
            (dead::MESSAGE, "The field and the rule, never a value."),
        ],
        &[
            (dead::TIMESTAMP, "The timestamp of the original in Unix ms, where it has one."),
            (dead::LENGTH, "The length of the original value in bytes, where this one is truncated."),
            (dead::SHA256, "The SHA-256 of the original value, where this one is truncated."),
        ],
    )
}
