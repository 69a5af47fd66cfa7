//! An assignment as it is shown in rows and in records: the reasons as the texts that a traveller is told.

use super::json_text::JsonText;
use crate::engine::{Catalog, ReasonCode};

/// A segment assigned to a user.
#[derive(Clone, Copy)]
pub struct ShownAssignment<'a> {
    pub segment: &'a str,
    /// 0 to 1.
    pub score: f64,
    pub reasons: &'a [ReasonCode],
    /// RFC 3339.
    pub assigned_at: &'a str,
    /// Where the reasons' texts are.
    pub catalog: &'a Catalog,
}

impl<'a> ShownAssignment<'a> {
    /// The reasons' texts, in their order.
    pub fn reason_texts(self) -> impl ExactSizeIterator<Item = &'a str> {
        self.reasons.iter().map(move |code| self.catalog.reason_text(*code))
    }

    /// Writes it as an object.
    fn write_json(self, json: &mut JsonText) {
        json.raw(r#"{"segment":"#).string(self.segment);
        json.raw(r#","score":"#).double(self.score);
        json.raw(r#","reasons":"#).list(self.reason_texts(), |json, text| _ = json.string(text));
        json.raw(r#","assignedAt":"#).string(self.assigned_at).raw("}");
    }
}

/// Writes a ranking as a list: the same in a row's `segments` and in segment-changed's `newSegments`, so that one may be taken
/// for the other.
pub fn write_ranking_json<'a>(json: &mut JsonText, ranking: impl IntoIterator<Item = ShownAssignment<'a>>) {
    json.list(ranking, |json, assignment| assignment.write_json(json));
}
