//! Applies and reverts the migrations in `migrations/`.
//!
//! - `files`: the migrations themselves · `offset tracker`: the books about them, in schema `segmenter`
//! - `facts`, `preconditions`: what is found in the platform's schema, and whether the migrations may run on it
//! - `session`: the migration lock, lock timeouts, retries · `index`: the concurrent build
//! - `run`, `revert`, `info`: the three things a caller can ask for
//!
//! The connection given is used as one dedicated session whose settings change; it must not come from a pooler that
//! shares sessions between transactions (PgBouncer in transaction mode), since the migration lock belongs to the session.

mod error;
mod facts;
pub(crate) mod files;
mod index;
mod info;
pub(crate) mod ledger;
mod preconditions;
mod progress;
mod revert;
mod run;
pub mod schema;
mod session;
mod status;

pub use error::{Holders, MigrateError, Refusal};
pub use facts::IndexState;
pub(crate) use facts::{PlatformSchema, SEGMENT_COLUMNS};
pub use info::{Info, MigrationInfo, info};
pub use progress::{Notice, Progress};
pub use revert::{RevertOptions, Target, revert};
pub use run::{RunOptions, run};
pub use session::{LOCK_KEY, Limits};
