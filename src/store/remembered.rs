//! The states that the earlier batches of a dry run would have written, in a temporary file without a name: it takes disk, not
//! memory, and goes with the process.

use std::collections::HashMap;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, TableDefinition};

use super::error::StoreError;
use super::states::StateRow;
use crate::codec::stored;
use crate::domain::event::UserId;
use crate::domain::state::State;

/// A user as the batches so far would have left the user.
#[derive(Debug, Clone)]
pub(crate) struct Remembered {
    /// The ranking that was published before the run.
    pub before: Vec<Box<str>>,
    pub state: State,
}

/// Remembered users. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RememberedUsers(Arc<Database>);

/// By user: the segments before; revision, kind of the last published change, erasure and catalog version as the columns of a
/// state; its binary column.
type Columns<'a> = (Vec<&'a str>, i64, i16, Option<i64>, i32, &'a [u8]);

const USERS: TableDefinition<'_, &str, Columns<'_>> = TableDefinition::new("users");

/// The memory for pages of the file, bytes.
const CACHE: usize = 32 * 1024 * 1024;

impl RememberedUsers {
    /// None yet.
    ///
    /// # Errors
    /// A temporary file cannot be made.
    pub fn new() -> Result<Self, StoreError> {
        let file = tempfile::tempfile().map_err(failed)?;
        let file = FileBackend::new(file).map_err(failed)?;
        let database = Builder::new().set_cache_size(CACHE).create_with_backend(file).map_err(failed)?;
        let begun = database.begin_write().map_err(failed)?;
        begun.open_table(USERS).map_err(failed)?;
        begun.commit().map_err(failed)?;
        Ok(Self(Arc::new(database)))
    }

    /// Those of `users` that are remembered.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn get(&self, users: Vec<UserId>) -> Result<HashMap<UserId, Remembered>, StoreError> {
        self.work(move |database| {
            let table = database.begin_read().map_err(failed)?.open_table(USERS).map_err(failed)?;
            let mut found = HashMap::with_capacity(users.len());
            for user in users {
                let Some(held) = table.get(user.as_str()).map_err(failed)? else { continue };
                let (before, revision, published, erased_at, catalog_version, state) = held.value();
                let before = before.into_iter().map(Box::from).collect();
                let row = StateRow { revision, published, erased_at, catalog_version, job_id: None, state };
                found.insert(user, Remembered { before, state: row.into_state()? });
            }
            Ok(found)
        })
        .await
    }

    /// Remembers these users, in place of what is remembered of them.
    ///
    /// # Errors
    /// The file cannot be written, or a state cannot be encoded.
    pub async fn put(&self, users: Vec<(UserId, Remembered)>) -> Result<(), StoreError> {
        self.work(move |database| {
            let begun = database.begin_write().map_err(failed)?;
            let mut table = begun.open_table(USERS).map_err(failed)?;
            for (user, Remembered { before, state }) in &users {
                let bytes = stored::encode_state(&state.profile, state.last_published.as_ref())?;
                let StateRow { revision, published, erased_at, catalog_version, state, .. } =
                    StateRow::of(state, &bytes);
                let before: Vec<&str> = before.iter().map(|segment| &**segment).collect();
                let columns = (before, revision, published, erased_at, catalog_version, state);
                table.insert(user.as_str(), columns).map_err(failed)?;
            }
            drop(table);
            begun.commit().map_err(failed)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let database = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&database)).await.map_err(failed)?
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::TemporaryFile(error.to_string())
}
