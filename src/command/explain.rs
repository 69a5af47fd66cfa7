//! `segmenter explain`: what the engine makes of a profile.

use std::io::{BufRead, Write};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::engine::{self, Catalog, Dimensions, Segmentation};
use crate::event::time::parse_rfc3339;
use crate::event::{DECODER_VERSION, Millis, Reason, Rejection, Stamp, json::decode_preferences};
use crate::pipeline::fold::engine_input;
use crate::profile::{Profile, Register};

/// One case on standard input.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case<'a> {
    #[serde(default)]
    id: Value,
    #[serde(borrow)]
    preferences: Option<&'a RawValue>,
    date_of_birth: Option<String>,
    /// The profile's logical time, RFC 3339.
    at: Option<String>,
}

/// Explains each line of `input` on a line of `output`; `now` is the logical time of cases that give none.
///
/// Gives the number of lines that could not be explained; each of those says why in a member `error`.
///
/// # Errors
/// Only what goes wrong in reading and writing.
pub fn explain_jsonl(
    input: impl BufRead,
    mut output: impl Write,
    catalog: &Catalog,
    now: Millis,
) -> anyhow::Result<usize> {
    let mut failed = 0;
    for line in input.lines() {
        let line = line.context("could not read a case")?;
        if line.trim().is_empty() {
            continue;
        }
        let explained = explain_line(&line, catalog, now).unwrap_or_else(|(id, rejection)| {
            failed += 1;
            json!({"id": id, "error": {"reason": rejection.reason.as_str(), "detail": rejection.detail}})
        });
        writeln!(output, "{explained}").context("could not write an explanation")?;
    }
    output.flush().context("could not write the explanations")?;
    Ok(failed)
}

fn explain_line(line: &str, catalog: &Catalog, now: Millis) -> Result<Value, (Value, Rejection)> {
    let malformed = |error: serde_json::Error| {
        let detail = format!("not a case: column {}", error.column());
        (Value::Null, Rejection { reason: Reason::Malformed, detail })
    };
    let case: Case<'_> = serde_json::from_str(line).map_err(malformed)?;
    let id = case.id.clone();
    let segmentation = segment_case(&case, catalog, now).map_err(|rejection| (id.clone(), rejection))?;
    Ok(to_json(&id, &segmentation, catalog))
}

fn segment_case(case: &Case<'_>, catalog: &Catalog, now: Millis) -> Result<Segmentation, Rejection> {
    let at = case.at.as_deref().map_or(Some(now), parse_rfc3339);
    let bad_time = || Rejection { reason: Reason::BadTime, detail: "at: must be RFC 3339".to_owned() };
    let at = at.ok_or_else(bad_time)?;
    let preferences = case.preferences.map_or("{}", RawValue::get);
    let sections = decode_preferences(preferences, case.date_of_birth.as_deref())?;
    let stamp = Stamp { time: at, id: "".into(), decoder: DECODER_VERSION };
    let registers = sections.into_iter().map(|section| Register { stamp: stamp.clone(), section });
    let profile = Profile::from_parts(registers, Some(stamp.clone()), None);
    Ok(engine::segment(&engine_input(&profile, at), catalog))
}

fn to_json(id: &Value, of: &Segmentation, catalog: &Catalog) -> Value {
    let dimensions: Map<String, Value> = Dimensions::NAMES
        .iter()
        .zip(of.dimensions.to_array())
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let scores: Map<String, Value> =
        catalog.segments().zip(&of.scores).map(|(segment, score)| (segment.name.to_string(), json!(score))).collect();
    let segments: Vec<Value> = of
        .ranking
        .iter()
        .map(|assignment| {
            let reasons: Vec<&str> = assignment.reasons.iter().map(|code| code.as_str()).collect();
            json!({"segment": catalog.segment_name(assignment.segment), "score": assignment.score, "reasons": reasons})
        })
        .collect();
    json!({
        "id": id,
        "dimensions": dimensions,
        "scores": scores,
        "segments": segments,
        "preference_vector": of.preference_vector,
        "completeness": of.completeness,
        "blend_confidence": of.blend_confidence,
        "preference_weight": of.preference_weight,
        "vector": of.vector,
    })
}
