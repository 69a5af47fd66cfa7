//! What `segmenter verify` reads: the tables in pages by their keys, so that no statement runs long and no transaction
//! stays open. Each page is one statement, so that a state and its row are seen together as a fold left them.

mod differences;
mod platform;
mod states;

pub use differences::differences;
pub use platform::{ShownRow, completed_profiles, count_users, may_read_profiles, vectors};
pub(super) use states::stored_row;
pub use states::{Published, Sample, StoredRow, StoredUser, count_states, deleted, published, states};

/// How many rows a page has.
pub const PAGE: i64 = 5_000;
