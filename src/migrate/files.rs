//! The migrations of this binary, embedded from `migrations/`.
//!
//! A released file never changes: every database that it was applied to stores its checksum.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType};

/// How a migration is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In one transaction with its row in the table of applied migrations.
    Transaction,
    /// One statement outside a transaction: builds or drops the index on `public.user_vectors` concurrently.
    ConcurrentIndex,
}

/// One migration, up and down.
#[derive(Debug)]
pub(crate) struct VersionedFile {
    pub version: i64,
    pub name: &'static str,
    /// The newest migration that a binary has to know to work with a database that has this one.
    pub min_app_schema: i64,
    pub kind: Kind,
    /// The tables that it locks; shown when a lock is not granted.
    pub locks: &'static [&'static str],
    up: &'static str,
    down: &'static str,
}

/// All of them, oldest first.
pub(crate) const ALL: &[VersionedFile] = &[
    VersionedFile {
        version: SEGMENT_COLUMNS,
        name: "segment_columns",
        min_app_schema: 3,
        kind: Kind::Transaction,
        locks: &["public.user_vectors", "public.users"],
        up: include_str!("../../migrations/0001_segment_columns.up.sql"),
        down: include_str!("../../migrations/0001_segment_columns.down.sql"),
    },
    VersionedFile {
        version: PRIMARY_SEGMENT_INDEX,
        name: "primary_segment_index",
        min_app_schema: 3,
        kind: Kind::ConcurrentIndex,
        locks: &["public.user_vectors"],
        up: include_str!("../../migrations/0002_primary_segment_index.up.sql"),
        down: include_str!("../../migrations/0002_primary_segment_index.down.sql"),
    },
    VersionedFile {
        version: PROFILE_STATES,
        name: "profile_states",
        min_app_schema: 3,
        kind: Kind::Transaction,
        locks: &["public.users", "segmenter.profile_states", "segmenter.outbox", "segmenter.deleted_users"],
        up: include_str!("../../migrations/0003_profile_states.up.sql"),
        down: include_str!("../../migrations/0003_profile_states.down.sql"),
    },
    VersionedFile {
        version: JOBS,
        name: "jobs",
        min_app_schema: 3,
        kind: Kind::Transaction,
        locks: &["segmenter.jobs"],
        up: include_str!("../../migrations/0004_jobs.up.sql"),
        down: include_str!("../../migrations/0004_jobs.down.sql"),
    },
    VersionedFile {
        version: POSITIONS,
        name: "positions",
        min_app_schema: 3,
        kind: Kind::Transaction,
        locks: &["segmenter.positions"],
        up: include_str!("../../migrations/0005_positions.up.sql"),
        down: include_str!("../../migrations/0005_positions.down.sql"),
    },
];

pub(crate) const SEGMENT_COLUMNS: i64 = 1;
pub(crate) const PRIMARY_SEGMENT_INDEX: i64 = 2;
pub(crate) const PROFILE_STATES: i64 = 3;
pub(crate) const JOBS: i64 = 4;
pub(crate) const POSITIONS: i64 = 5;

/// The newest migration this binary knows.
pub(crate) fn newest() -> i64 {
    ALL.iter().map(|file| file.version).max().unwrap_or(0)
}

/// The migration of that version, if this binary knows it.
pub(crate) fn find(version: i64) -> Option<&'static VersionedFile> {
    ALL.iter().find(|file| file.version == version)
}

impl VersionedFile {
    pub(crate) fn up(&self) -> Migration {
        self.migration(MigrationType::ReversibleUp, self.up)
    }

    pub(crate) fn down(&self) -> Migration {
        self.migration(MigrationType::ReversibleDown, self.down)
    }

    fn migration(&self, direction: MigrationType, sql: &'static str) -> Migration {
        let no_transaction = self.kind == Kind::ConcurrentIndex;
        Migration::new(self.version, self.name.into(), direction, sql.into_sql_str(), no_transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_increase_and_none_requires_a_binary_that_does_not_exist() {
        assert!(ALL.windows(2).all(|pair| pair[0].version < pair[1].version));
        assert!(ALL.iter().all(|file| file.min_app_schema <= newest()));
    }

    #[test]
    fn a_file_outside_a_transaction_is_marked_and_is_one_statement() {
        for file in ALL {
            let outside = file.kind == Kind::ConcurrentIndex;
            for sql in [file.up, file.down] {
                assert_eq!(sql.starts_with("-- no-transaction\n"), outside, "{}", file.name);
                if outside {
                    assert_eq!(sql.matches(';').count(), 1, "{}", file.name);
                }
            }
        }
    }
}
