//! The values of the labels, and the numbers that are observed together.

/// An enum whose variants are a label's values.
macro_rules! words {
    ($(#[$meta:meta])* $Name:ident { $( $(#[$variant_meta:meta])* $Variant:ident = $word:literal, )+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $Name { $( $(#[$variant_meta])* $Variant, )+ }

        impl $Name {
            pub const ALL: [Self; [$( $word ),+].len()] = [$( Self::$Variant, )+];

            pub(super) fn as_str(self) -> &'static str {
                match self { $( Self::$Variant => $word, )+ }
            }
        }
    };
}

words! {
    /// The outcome of an input record.
    RecordOutcome {
        Applied = "applied",
        Unchanged = "unchanged",
        Stale = "stale",
        Skipped = "skipped",
        DeadLettered = "dead_lettered",
    }
}

words! {
    /// A record published on segment-changed.
    Published { Change = "change", Repeat = "repeat", Null = "null", }
}

words! {
    /// How the group changed the assignment.
    RebalanceKind { Assigned = "assigned", Revoked = "revoked", Lost = "lost", }
}

words! {
    /// A stage of a record's way whose duration is measured.
    Stage {
        /// Writing a batch to PostgreSQL, outages included.
        Write = "write",
        /// Publishing a list of changes, including the check for newer revisions.
        Publish = "publish",
        /// Waiting for a connection of the pool; a part of `Write`.
        Connection = "connection",
        /// The transactions of a `Write`, retried and failed ones included.
        Transaction = "transaction",
    }
}

words! {
    /// The outcome of a span.
    SpanOutcome {
        Exported = "exported",
        /// The collector refused it or was unavailable.
        Failed = "failed",
        /// The queue was full because the collector was slow or unavailable.
        Dropped = "dropped",
    }
}

/// The classes of database errors, as the store names them.
pub(crate) const DATABASE_ERROR_CLASSES: [&str; 6] =
    ["outage", "conflict", "foreign_key", "row_id_taken", "permanent", "misconfigured"];

/// The answers of the schema registry.
pub(super) const REGISTRY_ANSWERS: [&str; 3] = ["found", "unknown", "unavailable"];

/// The kinds of jobs.
pub(crate) const JOB_KINDS: [&str; 5] = ["replay", "backfill", "recompute", "republish", "redrive"];

/// The states of a job that has not ended.
pub(crate) const OPEN_JOB_STATES: [&str; 5] = ["running", "publishing", "paused", "cancelling", "interrupted"];

/// The records in flight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Polled, and not committable yet.
    pub records: usize,
    /// Of these, not finished.
    pub open: usize,
    /// The bytes of the open ones.
    pub bytes: usize,
    /// Rejected records held back until their rejection run ends.
    pub held: usize,
    pub partitions: usize,
}

/// The lag of a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PartitionLag {
    /// Records not read yet.
    pub records: i64,
    /// The age of the last record read, in seconds, while there are records not read yet; else 0.
    pub seconds: f64,
    /// The age of the oldest unfinished record, in seconds.
    pub oldest: f64,
}

/// Totals of the consumer's connections to all brokers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BrokerTotals {
    pub connects: u64,
    pub disconnects: u64,
    /// Requests that were not sent, not answered or timed out.
    pub failures: u64,
}

/// The jobs of a kind that have not ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobsOfAKind {
    /// The number in each state.
    pub states: std::collections::BTreeMap<&'static str, i64>,
    /// The number of jobs that wait.
    pub held: i64,
    /// The share of its source that the least advanced job has processed, 0 to 1; 1 where there is none.
    pub progress: f64,
}
