//! Applies and reverts the migrations in `migrations/`.
//!
//! ```text
//! files          the migrations, embedded
//! bookkeeping    the tables of applied migrations, in schema segmenter
//! schema         whether this binary can work with the applied migrations
//! status         the result of that check, and its text
//! facts          the platform's schema, as found
//! preconditions  whether the migrations may run on it
//! session        the migration lock, lock timeouts, retries
//! index          the concurrent build of the index
//! run            `migrate run`
//! revert         `migrate revert`
//! info           `migrate info`
//! progress       notices to the caller
//! error          errors by the action that they need
//! ```
//!
//! The migrations use the given connection as one dedicated session and change its settings. It must not come from a pooler in
//! transaction mode (PgBouncer), since the migration lock belongs to the session.

pub(crate) mod bookkeeping;
mod error;
mod facts;
pub(crate) mod files;
mod index;
mod info;
mod preconditions;
mod progress;
mod revert;
mod run;
pub mod schema;
mod session;
mod status;

pub use error::{MigrateError, Refusal};

pub use facts::IndexState;
pub(crate) use facts::{PlatformSchema, SEGMENT_COLUMNS};
pub use index::{Build, build_in_work};
pub use info::info;
pub use progress::{Notice, Progress};
pub use revert::{RevertOptions, Target, revert};
pub use run::{RunOptions, run};
pub use session::{LOCK_KEY, Limits};
