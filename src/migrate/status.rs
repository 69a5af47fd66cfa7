//! How a database's schema compares with the migrations that this binary knows.

use std::fmt;

use super::files;

/// The database's schema compared with the migrations of this binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaStatus {
    /// No migration is applied.
    Missing,
    /// Some are pending.
    Behind { pending: Vec<i64> },
    /// All are applied, and no others.
    Current,
    /// All are applied, and newer ones that are marked as compatible with this binary.
    NewerCompatible { newest: i64 },
    /// Newer ones are applied that need a binary with at least migration `requires`.
    TooNew { newest: i64, requires: i64 },
    /// These were applied from files that differ from this binary's.
    Modified { versions: Vec<i64> },
    /// These are applied, are older than this binary's newest, and are unknown to it.
    Foreign { versions: Vec<i64> },
    /// The migrations are applied, but these segment columns of `public.user_vectors` were dropped since.
    Damaged { missing: Vec<String> },
}

impl SchemaStatus {
    /// Whether the service can work with it; else it ends with exit code 3.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Current | Self::NewerCompatible { .. })
    }
}

impl fmt::Display for SchemaStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest_known = files::newest();
        match self {
            Self::Missing => out.write_str("missing: no migration was applied; run `segmenter migrate run`"),
            Self::Behind { pending } => {
                write!(out, "behind: migrations {pending:?} are pending; run `segmenter migrate run`")
            }
            Self::Current => write!(out, "current: at migration {newest_known}"),
            Self::NewerCompatible { newest } => write!(
                out,
                "newer: at migration {newest}; this binary knows {newest_known}, which is enough to work with it"
            ),
            Self::TooNew { newest, requires } => write!(
                out,
                "too new: at migration {newest}, which needs a binary that knows migration {requires}; this one knows \
                 {newest_known}"
            ),
            Self::Modified { versions } => {
                write!(out, "modified: migrations {versions:?} were applied from files that differ from this binary's")
            }
            Self::Foreign { versions } => {
                write!(out, "foreign: migrations {versions:?} were applied and are unknown to this binary")
            }
            Self::Damaged { missing } => write!(
                out,
                "damaged: public.user_vectors has lost {} since the migrations ran; restore the columns, or \
                 revert all migrations and run them anew",
                missing.join(", ")
            ),
        }
    }
}
