//! Whether a row of `user_vectors` agrees with itself: the columns repeat the first of its segments.

use serde::Deserialize;

use crate::store::verify::ShownRow;

#[derive(Deserialize)]
struct Assignment {
    segment: String,
    score: f64,
    #[serde(default, rename = "reasons")]
    _reasons: Vec<String>,
    #[serde(default, rename = "assignedAt")]
    _assigned_at: String,
}

/// What contradicts what in the row; `None` if nothing does.
pub(super) fn contradiction(row: &ShownRow) -> Option<String> {
    let assignments: Vec<Assignment> = match row.segments.as_deref().map(serde_json::from_str).transpose() {
        Ok(assignments) => assignments.unwrap_or_default(),
        Err(_) => return Some("segments is no list of assignments".to_owned()),
    };
    let first = assignments.first();
    let primary = first.map(|first| first.segment.as_str());
    if row.primary_segment.as_deref() != primary {
        let shown = |name: Option<&str>| name.unwrap_or("null").to_owned();
        return Some(format!(
            "primarySegment is {}, the first of segments {}",
            shown(row.primary_segment.as_deref()),
            shown(primary)
        ));
    }
    let score = first.map(|first| first.score);
    if row.segment_confidence != score {
        let shown = |score: Option<f64>| score.map_or_else(|| "null".to_owned(), |score| score.to_string());
        return Some(format!(
            "segmentConfidence is {}, the first score of segments {}",
            shown(row.segment_confidence),
            shown(score)
        ));
    }
    match (row.segments.is_some(), row.dated) {
        (true, false) => Some("segments without lastSegmentUpdate".to_owned()),
        (false, true) => Some("lastSegmentUpdate without segments".to_owned()),
        (true, true) | (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"[{"segment":"A","score":0.75,"reasons":["r"],"assignedAt":"2026-01-01T00:00:00.000Z"},
                           {"segment":"B","score":0.5}]"#;

    fn row(segments: Option<&str>, primary: Option<&str>, confidence: Option<f64>) -> ShownRow {
        ShownRow {
            user: "ann".to_owned(),
            segments: segments.map(str::to_owned),
            primary_segment: primary.map(str::to_owned),
            segment_confidence: confidence,
            dated: segments.is_some(),
            has_state: true,
        }
    }

    #[test]
    fn a_row_that_repeats_its_first_segment_or_has_none_agrees_with_itself() {
        for row in [row(Some(GOOD), Some("A"), Some(0.75)), row(Some("[]"), None, None), row(None, None, None)] {
            assert_eq!(contradiction(&row), None, "{row:?}");
        }
    }

    #[test]
    fn columns_that_differ_from_the_first_segment_are_named() {
        let found = |row: &ShownRow| contradiction(row).unwrap();
        assert_eq!(found(&row(Some(GOOD), Some("B"), Some(0.75))), "primarySegment is B, the first of segments A");
        assert!(found(&row(Some(GOOD), Some("A"), Some(0.5))).starts_with("segmentConfidence is 0.5"));
        assert!(found(&row(Some(GOOD), Some("A"), Some(f64::NAN))).starts_with("segmentConfidence is NaN"));
        assert_eq!(found(&row(Some("[]"), Some("A"), None)), "primarySegment is A, the first of segments null");
        assert_eq!(found(&row(None, Some("A"), None)), "primarySegment is A, the first of segments null");
        let undated = ShownRow { dated: false, ..row(Some(GOOD), Some("A"), Some(0.75)) };
        assert_eq!(found(&undated), "segments without lastSegmentUpdate");
        let dated = ShownRow { dated: true, ..row(None, None, None) };
        assert_eq!(found(&dated), "lastSegmentUpdate without segments");
    }

    #[test]
    fn what_is_no_list_of_assignments_is_named_so() {
        for segments in [
            "null",
            "{}",
            "7",
            "[7]",
            r#"[{"segment":"A"}]"#,
            r#"[{"segment":"A","score":"0.75"}]"#,
            r#"[{"segment":"A","score":0.75,"reasons":[7]}]"#,
            r#"[{"segment":"A","score":0.75},null]"#,
        ] {
            let found = contradiction(&row(Some(segments), Some("A"), Some(0.75))).unwrap();
            assert_eq!(found, "segments is no list of assignments", "{segments}");
        }
    }
}
