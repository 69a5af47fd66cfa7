//! Whether a row of `user_vectors` is consistent: its columns repeat the first of its segments.

use std::fmt::Display;

use serde::Deserialize;

use super::ShownRow;

#[derive(Deserialize)]
struct Assignment {
    segment: String,
    score: f64,
    #[serde(default, rename = "reasons")]
    _reasons: Vec<String>,
    #[serde(default, rename = "assignedAt")]
    _assigned_at: String,
}

/// The contradiction in the row, if there is one.
pub(super) fn contradiction(row: &ShownRow) -> Option<String> {
    let assignments: Vec<Assignment> = match row.segments.as_deref().map(serde_json::from_str).transpose() {
        Ok(assignments) => assignments.unwrap_or_default(),
        Err(_) => return Some("segments is not a list of assignments".to_owned()),
    };
    let first = assignments.first();
    let (primary, score) = (first.map(|first| first.segment.as_str()), first.map(|first| first.score));
    if row.primary_segment.as_deref() != primary {
        let (found, wanted) = (shown(row.primary_segment.as_deref()), shown(primary));
        return Some(format!("primarySegment is {found}, the first of segments {wanted}"));
    }
    if row.segment_confidence != score {
        let (found, wanted) = (shown(row.segment_confidence), shown(score));
        return Some(format!("segmentConfidence is {found}, the first score of segments {wanted}"));
    }
    match (row.segments.is_some(), row.dated) {
        (true, false) => Some("segments without lastSegmentUpdate".to_owned()),
        (false, true) => Some("lastSegmentUpdate without segments".to_owned()),
        (true, true) | (false, false) => None,
    }
}

fn shown(value: Option<impl Display>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
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
    fn columns_that_differ_from_the_first_segment_are_named_and_nothing_else_is() {
        for row in [row(Some(GOOD), Some("A"), Some(0.75)), row(Some("[]"), None, None), row(None, None, None)] {
            assert_eq!(contradiction(&row), None, "{row:?}");
        }
        let undated = ShownRow { dated: false, ..row(Some(GOOD), Some("A"), Some(0.75)) };
        let dated = ShownRow { dated: true, ..row(None, None, None) };
        for (row, expected) in [
            (row(Some(GOOD), Some("B"), Some(0.75)), "primarySegment is B, the first of segments A"),
            (row(Some(GOOD), Some("A"), Some(0.5)), "segmentConfidence is 0.5, the first score of segments 0.75"),
            (row(Some(GOOD), Some("A"), Some(f64::NAN)), "segmentConfidence is NaN, the first score of segments 0.75"),
            (row(Some("[]"), Some("A"), None), "primarySegment is A, the first of segments null"),
            (row(None, Some("A"), None), "primarySegment is A, the first of segments null"),
            (undated, "segments without lastSegmentUpdate"),
            (dated, "lastSegmentUpdate without segments"),
        ] {
            assert_eq!(contradiction(&row).as_deref(), Some(expected));
        }
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
            let found = contradiction(&row(Some(segments), Some("A"), Some(0.75)));
            assert_eq!(found.as_deref(), Some("segments is not a list of assignments"), "{segments}");
        }
    }
}
