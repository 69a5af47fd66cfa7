//! A stored row of `user_vectors`, compared with the row that the stored state gives under the catalog: the four columns, and
//! the vector where it is ours.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::domain::event::Millis;
use crate::domain::fold::engine_input;
use crate::domain::row::{RowContent, ShownSegment};
use crate::domain::scoring::{self, Catalog};
use crate::domain::state::State;

/// The columns of a row of `user_vectors` that depend on the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRow {
    pub source: String,
    pub segments: Option<String>,
    pub primary_segment: Option<String>,
    pub segment_confidence: Option<f64>,
    pub last_segment_update: Option<Millis>,
    pub vector: String,
}

impl StoredRow {
    /// Whether `vector` is ours, not a learned one.
    pub(crate) fn vector_is_ours(&self) -> bool {
        !matches!(self.source.as_str(), "behavior" | "hybrid")
    }
}

/// The `user_vectors` part of a joined row; `None` where there is none.
pub(crate) fn stored_row(row: &PgRow) -> Result<Option<StoredRow>, sqlx::Error> {
    let (Some(source), Some(vector)) = (row.try_get("source")?, row.try_get("vector")?) else { return Ok(None) };
    Ok(Some(StoredRow {
        source,
        segments: row.try_get("segments")?,
        primary_segment: row.try_get("primary_segment")?,
        segment_confidence: row.try_get("confidence")?,
        last_segment_update: row.try_get::<Option<i64>, _>("last_update")?.map(Millis),
        vector,
    }))
}

/// The columns of `row` that differ from the row that `state` gives; empty where the user is not onboarded.
pub fn differences(state: &State, row: &StoredRow, catalog: &Catalog) -> Vec<&'static str> {
    let profile = &state.profile;
    let (Some(_), Some(at)) = (profile.onboarded(), profile.logical_time()) else { return Vec::new() };
    let right = RowContent::new(&scoring::segment(&engine_input(profile, at), catalog), catalog, at);
    let segments: Option<Vec<ShownSegment>> =
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
    use crate::domain::event::{DECODER_VERSION, Millis, Stamp};
    use crate::domain::profile::Profile;

    fn onboarded() -> State {
        let stamp = Stamp { time: Millis(1_767_225_600_000), id: "one".into(), decoder: DECODER_VERSION };
        State { profile: Profile::of_onboarding(&stamp, Vec::new()), ..State::default() }
    }

    fn right_row(state: &State, catalog: &Catalog) -> StoredRow {
        let at = state.profile.logical_time().unwrap();
        let right = RowContent::new(&scoring::segment(&engine_input(&state.profile, at), catalog), catalog, at);
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
        let other_primary = StoredRow { primary_segment: Some("UNKNOWN_SEGMENT".to_owned()), ..right.clone() };
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
        assert_ne!(Some(parsed.to_string()), right.segments, "keys in alphabetical order");
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
