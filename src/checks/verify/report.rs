//! The report: what was counted, and what is not as it should be. Of each kind of finding all are counted and the first few
//! are listed.

use std::collections::BTreeMap;

use serde::Serialize;

/// The report of one run.
#[derive(Debug, Serialize)]
pub struct VerifyReport {
    pub ok: bool,
    pub counts: Counts,
    pub findings: Vec<Found>,
    /// The first few of each kind.
    pub examples: Vec<Example>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// How the database's migrations stand to this program.
    pub schema: String,
    /// The index on `primarySegment`.
    pub index: &'static str,
    /// Of the configured catalog.
    pub catalog_version: u32,
    /// Absent where the database has no `users` table.
    pub users: Option<i64>,
    /// Rows of `user_vectors`.
    pub vectors: u64,
    /// Those with a primary segment.
    pub with_segments: u64,
    /// Of `withSegments` in `vectors`; absent while the table is empty.
    pub percentage: Option<f64>,
    /// With segments, the empty list among them, and no state of ours: written by others.
    pub without_state: u64,
    pub states: u64,
    /// Scored anew and compared; absent without --deep.
    pub compared: Option<u64>,
    /// Chosen to be scored anew, but scored with another catalog version, and therefore not compared.
    pub other_catalog: u64,
    /// Onboarding profiles that are completed; absent where their table is not there or may not be read.
    pub completed_profiles: Option<u64>,
    /// Completed, without segments, and rightly so: the user was erased.
    pub erased_profiles: u64,
    pub outbox_rows: i64,
    pub oldest_outbox_seconds: f64,
    /// The four columns with their types, as found.
    pub columns: BTreeMap<&'static str, String>,
    /// Users with segments by the version of the catalog that scored them.
    pub catalog_versions: BTreeMap<i32, u64>,
    pub distribution: Vec<Share>,
    /// Absent where the topic was not read.
    pub topic: Option<Topic>,
}

/// A primary segment, with the rows that have it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    pub segment: String,
    pub count: u64,
    /// Percent of the rows with a primary segment.
    pub share: f64,
    /// 0 to 1; absent where a confidence is no number.
    pub average_confidence: Option<f64>,
}

/// The topic segment-changed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Topic {
    pub name: String,
    pub records: u64,
    pub users: u64,
    /// Records whose key names no user.
    pub unreadable: u64,
    /// Users whose change waits in the outbox.
    pub in_flight: u64,
}

/// A kind of finding. Anything found under one of these ends the command with exit code 4.
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
    NewerOnTopic,
    OtherOnTopic,
    UnknownOnTopic,
    Difference,
}

impl Check {
    /// The stable name, its meaning in the plural, and the remedy; the runbook has the causes.
    #[rustfmt::skip]
    fn texts(self) -> [&'static str; 3] {
        const MIGRATE: &str = "segmenter migrate run; restore a column's type";
        const REPAIR: &str = "segmenter recompute --repair --execute";
        const NEWER: &str = "verify with the newer version that wrote them; damaged bytes come back from a backup only";
        const REPUBLISH: &str = "segmenter republish --users-file FILE --execute";
        match self {
            Self::Column => ["column", "columns of user_vectors with another type", MIGRATE],
            Self::Index => ["index", "the index on \"primarySegment\" is not usable", MIGRATE],
            Self::UnreadableState => ["unreadable-state", "states that this version cannot read", NEWER],
            Self::StateWithoutRow => ["state-without-row", "onboarded users whose segments are missing in user_vectors", REPAIR],
            Self::ErasedWithRow => ["erased-with-row", "erased users who still have segments in user_vectors", "find the writer; erase the user again"],
            Self::Contradiction => ["contradiction", "rows whose columns contradict their segments", REPAIR],
            Self::StaleCatalog => ["stale-catalog", "users scored with another catalog version", "segmenter recompute --execute, or configure the newer catalog"],
            Self::ProfileWithoutSegments => ["profile-without-segments", "completed onboarding profiles whose user has no segments", "segmenter backfill, or redrive the dead letter"],
            Self::UnreadableOutbox => ["unreadable-outbox", "outbox rows that this version cannot read", NEWER],
            Self::NotOnTopic => ["not-on-topic", "users whose last change is not on the topic", "segmenter republish --all --execute, to the right topic"],
            Self::OlderOnTopic => ["older-on-topic", "users whose last record is older than the change published last", REPUBLISH],
            Self::NewerOnTopic => ["newer-on-topic", "users whose last record is newer than what the database knows", "replay the input topics from the earliest record"],
            Self::OtherOnTopic => ["other-on-topic", "users whose last record is not the change published last", REPUBLISH],
            Self::UnknownOnTopic => ["unknown-on-topic", "users on the topic of whom nothing was published", "erase the user, or produce a tombstone by hand"],
            Self::Difference => ["difference", "users whose row is not what their state gives", REPAIR],
        }
    }
}

/// How much was found under one check.
#[derive(Debug, Serialize)]
pub struct Found {
    pub check: &'static str,
    pub count: u64,
    pub meaning: &'static str,
    pub remedy: &'static str,
}

/// A user, or a thing of the schema, with what is wrong.
#[derive(Debug, Serialize)]
pub struct Example {
    pub check: &'static str,
    pub subject: String,
    pub detail: String,
}

/// All that was found: of each kind how often, and the first few.
#[derive(Debug)]
pub struct Findings {
    limit: usize,
    found: BTreeMap<Check, (u64, Vec<Example>)>,
}

impl Findings {
    /// Nothing yet; of each kind the first `limit` will be listed.
    pub fn listing(limit: usize) -> Self {
        Self { limit, found: BTreeMap::new() }
    }

    pub fn add(&mut self, check: Check, subject: &str, detail: impl Into<String>) {
        let (count, examples) = self.found.entry(check).or_default();
        *count += 1;
        if examples.len() < self.limit {
            let [check, ..] = check.texts();
            examples.push(Example { check, subject: subject.to_owned(), detail: detail.into() });
        }
    }

    pub fn into_report(self, counts: Counts) -> VerifyReport {
        let mut report = VerifyReport { ok: self.found.is_empty(), counts, findings: Vec::new(), examples: Vec::new() };
        for (check, (count, examples)) in self.found {
            let [check, meaning, remedy] = check.texts();
            report.findings.push(Found { check, count, meaning, remedy });
            report.examples.extend(examples);
        }
        report
    }
}
