//! What `segmenter verify` reads: the tables in pages by their keys, so that no statement runs long and no transaction
//! stays open. Each page is one statement, so that a state and its row are seen together as a fold left them.

mod differences;
mod platform;
mod said;
mod states;
mod vectors;

pub use differences::differences;
pub use platform::{Access, CompletedProfile, completed_profiles, count_users, may_read_profiles};
pub use said::{Said, departed, said};
pub(super) use states::stored_row;
pub use states::{Sample, StatePage, StoredRow, StoredUser, count_states};
pub use vectors::{ShownRow, vectors};

/// How many rows a page has.
pub const PAGE: i64 = 5_000;
