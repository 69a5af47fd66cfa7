//! The report: counts and findings. All findings are counted, and the first few of each kind are listed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::checks::found::{AllFound, Found};

/// The report of one run.
#[derive(Debug, Serialize)]
pub(crate) struct VerifyReport {
    /// Whether there are no findings, as far as was checked.
    pub ok: bool,
    /// The command that checks the rest of an interrupted run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub counts: Counts,
    #[serde(flatten)]
    pub found: AllFound,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// The status of the database's migrations.
    pub schema: String,
    /// The state of the index on `primarySegment`.
    pub index: &'static str,
    /// The version of the configured catalog.
    pub catalog_version: u32,
    /// Absent if the database has no `users` table.
    pub users: Option<i64>,
    /// Rows of `user_vectors`.
    pub vectors: u64,
    /// Those with a primary segment.
    pub with_segments: u64,
    /// `withSegments` as a percentage of `vectors`; absent if the table is empty.
    pub percentage: Option<f64>,
    /// Rows with segments (possibly an empty list) and without a state: another program wrote them.
    pub without_state: u64,
    pub states: u64,
    /// Users that were scored again and compared; absent without --deep.
    pub compared: Option<u64>,
    /// Users in the sample that were scored with another catalog version and therefore not compared.
    pub other_catalog: u64,
    /// Completed onboarding profiles; absent if their table does not exist or may not be read.
    pub completed_profiles: Option<u64>,
    /// Completed profiles without segments because the user was erased; no finding.
    pub erased_profiles: u64,
    pub outbox_rows: i64,
    pub oldest_outbox_seconds: f64,
    /// The four columns with their types.
    pub columns: BTreeMap<&'static str, String>,
    /// Users with segments by the version of the catalog that scored them.
    pub catalog_versions: BTreeMap<i32, u64>,
    pub distribution: Vec<Share>,
    /// Absent if the topic was not read.
    pub topic: Option<Topic>,
}

/// A primary segment, with the number of its rows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub segment: String,
    pub count: u64,
    /// Percentage of the rows with a primary segment.
    pub share: f64,
    /// 0 to 1; absent if a confidence is not a number.
    pub average_confidence: Option<f64>,
}

/// The topic segment-changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    pub name: String,
    pub records: u64,
    pub users: u64,
    /// Records whose key is not a user id.
    pub unreadable: u64,
    /// Users with a change in the outbox.
    pub in_flight: u64,
}

/// A kind of finding. Any finding ends the command with exit code 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    Column,
    Index,
    UnreadableState,
    StateWithoutRow,
    ErasedWithRow,
    Contradiction,
    StaleCatalog,
    ProfileWithoutSegments,
    UnreadableOutbox,
    NotOnTopic,
    OlderOnTopic,
    ErasureLost,
    NewerOnTopic,
    OtherOnTopic,
    UnknownOnTopic,
    Difference,
}

impl Check {
    /// So many findings of this kind; the runbook has the causes.
    #[rustfmt::skip]
    fn found(self, count: u64) -> Found {
        const MIGRATE: &str = "segmenter migrate run";
        const REPAIR: &str = "segmenter recompute --repair --execute";
        const BACKFILL: &str = "segmenter backfill --execute";
        const NEWER: &str = "verify with the newer version that wrote them; restore damaged ones from a backup";
        const TOPIC_AHEAD: &str = "segmenter republish --topic-ahead --execute";
        const REPUBLISH: &str = "segmenter republish --users-file FILE --execute";
        const LISTED: &str = "FILE has the users, one a line: verify --limit lists more of them";
        let (name, meaning, command, note) = match self {
            Self::Column => ("column", "columns of user_vectors with another type", MIGRATE, "a changed type is restored by hand"),
            Self::Index => ("index", "the index on \"primarySegment\" is not usable", MIGRATE, ""),
            Self::UnreadableState => ("unreadable-state", "states that this version cannot read", "", NEWER),
            Self::StateWithoutRow => ("state-without-row", "onboarded users whose segments are missing in user_vectors", REPAIR, ""),
            Self::ErasedWithRow => ("erased-with-row", "erased users who still have segments in user_vectors", "segmenter user erase USER --execute", "find the program that writes them first"),
            Self::Contradiction => ("contradiction", "rows whose columns contradict their segments", REPAIR, ""),
            Self::StaleCatalog => ("stale-catalog", "users scored with another catalog version", "segmenter recompute --execute", "or configure the newer catalog"),
            Self::ProfileWithoutSegments => ("profile-without-segments", "completed onboarding profiles whose user has no segments", BACKFILL, "then redrive the dead letters of users who are left"),
            Self::UnreadableOutbox => ("unreadable-outbox", "outbox rows that this version cannot read", "", NEWER),
            Self::NotOnTopic => ("not-on-topic", "users whose last change is not on the topic", "segmenter republish --all --execute", "check first that it is the right topic"),
            Self::OlderOnTopic => ("older-on-topic", "users whose last record is older than their last published change", REPUBLISH, LISTED),
            Self::ErasureLost => ("erasure-lost", "users whose erasure is on the topic and not in the database", TOPIC_AHEAD, ""),
            Self::NewerOnTopic => ("newer-on-topic", "users with a record newer than the database's last published change", TOPIC_AHEAD, ""),
            Self::OtherOnTopic => ("other-on-topic", "users whose last record is not their last published change", REPUBLISH, LISTED),
            Self::UnknownOnTopic => ("unknown-on-topic", "users on the topic without a published change in the database", "segmenter user erase USER --execute", "publishes a tombstone"),
            Self::Difference => ("difference", "users whose row differs from the one that the state gives", REPAIR, ""),
        };
        Found { check: name, count, meaning, command: command.into(), note }
    }
}

/// The findings: of each kind the count and the first few.
#[derive(Debug)]
pub struct Findings {
    limit: usize,
    found: BTreeMap<Check, (u64, Vec<(String, String)>)>,
}

impl Findings {
    /// No findings yet; of each kind the first `limit` will be listed.
    pub fn listing(limit: usize) -> Self {
        Self { limit, found: BTreeMap::new() }
    }

    pub fn add(&mut self, check: Check, subject: &str, detail: impl Into<String>) {
        let (count, examples) = self.found.entry(check).or_default();
        *count += 1;
        if examples.len() < self.limit {
            examples.push((subject.to_owned(), detail.into()));
        }
    }

    /// The report; `next` checks the rest of an interrupted run.
    pub(crate) fn into_report(self, counts: Counts, next: Option<String>) -> VerifyReport {
        let (ok, mut found) = (self.found.is_empty(), AllFound::default());
        self.found.into_iter().for_each(|(check, (count, examples))| found.add(check.found(count), examples));
        VerifyReport { ok, next, counts, found }
    }
}
