//! The labels' values, and the numbers that are observed together.

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
    /// A stretch of a record's road whose duration is measured.
    Stage {
        /// A batch into the database, outages included.
        Write = "write",
        /// A list of changes onto segment-changed, reading the revisions again included.
        Publish = "publish",
        /// Waiting for a connection of the pool, within a write.
        Connection = "connection",
        /// The transactions of a write, repeated ones and failed ones included.
        Transaction = "transaction",
    }
}

words! {
    /// The end of a trace's span.
    SpanOutcome {
        Exported = "exported",
        /// The collector did not take it.
        Failed = "failed",
        /// There was no room for it while the collector was slow or unavailable.
        Dropped = "dropped",
    }
}

/// The classes of database errors, as the store names them.
pub(super) const DATABASE_ERROR_CLASSES: [&str; 6] =
    ["outage", "conflict", "foreign_key", "row_id_taken", "permanent", "misconfigured"];

/// What a question to the schema registry can come to.
pub(super) const REGISTRY_ANSWERS: [&str; 3] = ["found", "unknown", "unavailable"];

/// The kinds of jobs.
pub const JOB_KINDS: [&str; 4] = ["replay", "backfill", "recompute", "republish"];

/// The states of a job that has not ended.
pub const OPEN_JOB_STATES: [&str; 5] = ["running", "publishing", "paused", "cancelling", "interrupted"];

/// How much is on its way at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub records: usize,
    pub bytes: usize,
    /// Rejections held back.
    pub held: usize,
    pub partitions: usize,
}

/// The lag of a partition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartitionLag {
    /// Records not read yet.
    pub records: i64,
    /// The age of the last record read, in seconds, while there are such.
    pub seconds: f64,
    /// The age of the first record that is not finished, in seconds.
    pub oldest: f64,
}

/// Totals of the consumer's connections to all brokers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerTotals {
    pub connects: u64,
    pub disconnects: u64,
    /// Requests that could not be sent, answered or waited for.
    pub failures: u64,
}

/// The jobs of a kind that have not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct JobsOfAKind {
    /// How many there are in each state.
    pub states: std::collections::BTreeMap<&'static str, i64>,
    /// How many wait for something.
    pub held: i64,
    /// Of the least advanced, the share of its source that it has passed, 0 to 1; 1 where there is none.
    pub progress: f64,
}
