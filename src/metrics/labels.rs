//! What is counted apart, and what is measured together.

/// What became of an input record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    Applied,
    Unchanged,
    Stale,
    Skipped,
    DeadLettered,
}

impl RecordOutcome {
    pub const ALL: [Self; 5] = [Self::Applied, Self::Unchanged, Self::Stale, Self::Skipped, Self::DeadLettered];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
            Self::Skipped => "skipped",
            Self::DeadLettered => "dead_lettered",
        }
    }
}

/// What was said on segment-changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    Change,
    Repeat,
    Null,
}

impl Published {
    pub const ALL: [Self; 3] = [Self::Change, Self::Repeat, Self::Null];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Change => "change",
            Self::Repeat => "repeat",
            Self::Null => "null",
        }
    }
}

/// What the group did to our partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebalanceKind {
    Assigned,
    Revoked,
    Lost,
}

impl RebalanceKind {
    pub const ALL: [Self; 3] = [Self::Assigned, Self::Revoked, Self::Lost];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// A stretch of a record's road whose duration is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// A batch into the database, outages included.
    Write,
    /// A list of changes onto segment-changed, looking again included.
    Publish,
    /// Waiting for a connection of the pool, within a write.
    Connection,
    /// The transactions of a write, repeated ones and failed ones included.
    Transaction,
}

impl Stage {
    pub const ALL: [Self; 4] = [Self::Write, Self::Publish, Self::Connection, Self::Transaction];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Publish => "publish",
            Self::Connection => "connection",
            Self::Transaction => "transaction",
        }
    }
}

/// What a partition waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartitionLag {
    /// Records not read yet.
    pub records: i64,
    /// The age of the last record read, in seconds, while there are such.
    pub seconds: f64,
    /// The age of the first record that is not finished, in seconds.
    pub oldest: f64,
}

/// What the consumer's connections to all brokers have come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerTotals {
    pub connects: u64,
    pub disconnects: u64,
    /// Requests that could not be sent, answered or waited for.
    pub failures: u64,
}

/// What became of a trace's span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanFate {
    Exported,
    /// The collector did not take it.
    Failed,
    /// There was no room for it while the collector was slow or away.
    Dropped,
}

impl SpanFate {
    pub const ALL: [Self; 3] = [Self::Exported, Self::Failed, Self::Dropped];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}
