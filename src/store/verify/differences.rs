//! Whether a stored row is what the stored state gives under the catalog: the four columns, and the vector where it is ours.

use serde_json::Value;

use super::StoredRow;
use crate::engine::{self, Catalog};
use crate::pipeline::fold::engine_input;
use crate::pipeline::row::RowContent;
use crate::pipeline::state::State;

/// The columns of `row` that differ from what `state` gives; none where the user is not onboarded.
pub fn differences(state: &State, row: &StoredRow, catalog: &Catalog) -> Vec<&'static str> {
    let profile = &state.profile;
    let (Some(_), Some(at)) = (profile.onboarded(), profile.logical_time()) else { return Vec::new() };
    let right = RowContent::new(&engine::segment(&engine_input(profile, at), catalog), catalog, at);
    let segments_agree = row.segments.as_deref().is_some_and(|segments| is_same_json(segments, &right.segments));
    [
        ("segments", segments_agree),
        ("primarySegment", row.primary_segment.as_deref() == right.primary_segment.as_deref()),
        ("segmentConfidence", row.segment_confidence == right.segment_confidence),
        ("lastSegmentUpdate", row.last_segment_update == Some(right.last_segment_update)),
        ("vector", !row.vector_is_ours() || is_same_json(&row.vector, &right.vector)),
    ]
    .into_iter()
    .filter_map(|(column, agrees)| (!agrees).then_some(column))
    .collect()
}

fn is_same_json(one: &str, other: &str) -> bool {
    match (serde_json::from_str(one), serde_json::from_str(other)) {
        (Ok(one), Ok(other)) => is_same(&one, &other),
        _ => false,
    }
}

/// Equality with numbers by their value: PostgreSQL writes 1.0 and 1 as they came.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DECODER_VERSION, Millis, Stamp};
    use crate::profile::Profile;

    fn onboarded() -> State {
        let stamp = Stamp { time: Millis(1_767_225_600_000), id: "one".into(), decoder: DECODER_VERSION };
        State { profile: Profile::of_onboarding(stamp, Vec::new()), ..State::default() }
    }

    fn right_row(state: &State, catalog: &Catalog) -> StoredRow {
        let at = state.profile.logical_time().unwrap();
        let right = RowContent::new(&engine::segment(&engine_input(&state.profile, at), catalog), catalog, at);
        StoredRow {
            source: "onboarding".to_owned(),
            segments: Some(right.segments.to_string()),
            primary_segment: right.primary_segment.map(String::from),
            segment_confidence: right.segment_confidence,
            last_segment_update: Some(right.last_segment_update),
            vector: right.vector,
        }
    }

    #[test]
    fn a_row_as_the_fold_writes_it_does_not_differ_and_each_tampered_column_is_named() {
        let (catalog, state) = (Catalog::builtin().unwrap(), onboarded());
        let right = right_row(&state, &catalog);
        assert_eq!(differences(&state, &right, &catalog), Vec::<&str>::new());
        let no_segments = StoredRow { segments: None, ..right.clone() };
        assert_eq!(differences(&state, &no_segments, &catalog), ["segments"]);
        let other_primary = StoredRow { primary_segment: Some("NOBODY".to_owned()), ..right.clone() };
        assert_eq!(differences(&state, &other_primary, &catalog), ["primarySegment"]);
        let older = StoredRow { last_segment_update: Some(Millis(1)), ..right.clone() };
        assert_eq!(differences(&state, &older, &catalog), ["lastSegmentUpdate"]);
        let other_vector = StoredRow { vector: "[0,0,0,0,0,0,0,2]".to_owned(), ..right };
        assert_eq!(differences(&state, &other_vector, &catalog), ["vector"]);
        let learned = StoredRow { source: "behavior".to_owned(), ..other_vector };
        assert_eq!(differences(&state, &learned, &catalog), Vec::<&str>::new());
    }

    #[test]
    fn numbers_are_compared_by_value_and_the_order_of_keys_does_not_matter() {
        assert!(is_same_json(r#"[{"a":1.0,"b":"x"}]"#, r#"[{"b":"x","a":1}]"#));
        assert!(!is_same_json("[1]", "[1,1]") && !is_same_json(r#"{"a":1}"#, r#"{"b":1}"#) && !is_same_json("", ""));
    }
}
