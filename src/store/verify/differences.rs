//! Whether a stored row is what the stored state gives under the catalog: the four columns, and the vector where it is ours.

use super::StoredRow;
use crate::engine::{self, Catalog};
use crate::pipeline::fold::engine_input;
use crate::pipeline::row::{RowContent, ShownAssignment};
use crate::pipeline::state::State;

/// The columns of `row` that differ from what `state` gives; none where the user is not onboarded.
pub fn differences(state: &State, row: &StoredRow, catalog: &Catalog) -> Vec<&'static str> {
    let profile = &state.profile;
    let (Some(_), Some(at)) = (profile.onboarded(), profile.logical_time()) else { return Vec::new() };
    let right = RowContent::new(&engine::segment(&engine_input(profile, at), catalog), catalog, at);
    let segments: Option<Vec<ShownAssignment>> =
        row.segments.as_deref().and_then(|segments| serde_json::from_str(segments).ok());
    [
        ("segments", segments.as_ref() == Some(&right.segments)),
        ("primarySegment", row.primary_segment.as_deref() == right.primary_segment()),
        ("segmentConfidence", row.segment_confidence == right.segment_confidence()),
        ("lastSegmentUpdate", row.last_segment_update == Some(right.last_segment_update)),
        ("vector", !row.vector_is_ours() || serde_json::from_str(&row.vector).ok() == Some(right.vector)),
    ]
    .into_iter()
    .filter_map(|(column, agrees)| (!agrees).then_some(column))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DECODER_VERSION, Millis, Stamp};
    use crate::profile::Profile;

    fn onboarded() -> State {
        let stamp = Stamp { time: Millis(1_767_225_600_000), id: "one".into(), decoder: DECODER_VERSION };
        State { profile: Profile::of_onboarding(&stamp, Vec::new()), ..State::default() }
    }

    fn right_row(state: &State, catalog: &Catalog) -> StoredRow {
        let at = state.profile.logical_time().unwrap();
        let right = RowContent::new(&engine::segment(&engine_input(&state.profile, at), catalog), catalog, at);
        StoredRow {
            source: "onboarding".to_owned(),
            segments: Some(serde_json::to_string(&right.segments).unwrap()),
            primary_segment: right.primary_segment().map(String::from),
            segment_confidence: right.segment_confidence(),
            last_segment_update: Some(right.last_segment_update),
            vector: serde_json::to_string(&right.vector).unwrap(),
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
        let (catalog, state) = (Catalog::builtin().unwrap(), onboarded());
        let right = right_row(&state, &catalog);
        let parsed: serde_json::Value = serde_json::from_str(right.segments.as_deref().unwrap()).unwrap();
        assert_ne!(Some(parsed.to_string()), right.segments, "keys in the order of the alphabet");
        let vector = right.vector.replace(",0.5,", ",5e-1,");
        assert_ne!(vector, right.vector);
        let same = StoredRow { segments: Some(parsed.to_string()), vector, ..right.clone() };
        assert_eq!(differences(&state, &same, &catalog), Vec::<&str>::new());
        let one_too_many = StoredRow { vector: right.vector.replace('[', "[0,"), ..right.clone() };
        assert_eq!(differences(&state, &one_too_many, &catalog), ["vector"]);
        let segments = right.segments.as_deref().map(|segments| segments.replace("{", "{\"more\":1,"));
        assert_eq!(differences(&state, &StoredRow { segments, ..right }, &catalog), ["segments"]);
    }
}
