//! The walk over the stored profiles, page by page.

use anyhow::Context as _;

use super::Catalogs;
use super::report::Report;
use super::tally::Tally;
use crate::codec::stored::CodecError;
use crate::domain::sample::Sample;
use crate::domain::state::State;
use crate::store::error::StoreError;
use crate::store::keys::{KeyRange, Keys};
use crate::store::lookup;
use crate::store::sql::Pool;
use crate::store::states::{self, UserCheck};

/// The number of states in a page.
const PAGE: usize = 5_000;

/// Simulates `candidate` on the stored profiles of the sample, with at most `limit` examples. `show` gets the users that have been
/// passed, and about how many there are.
///
/// # Errors
/// The database does not answer.
pub(crate) async fn simulate(
    pool: &Pool,
    catalogs: Catalogs<'_>,
    sample: Sample,
    limit: usize,
    mut show: impl FnMut(u64, u64),
) -> anyhow::Result<Report> {
    let expected = lookup::expected_rows(pool, "segmenter.profile_states").await?;
    let (mut tally, mut passed) = (Tally { limit, ..Tally::default() }, 0);
    let mut page = read(pool.clone(), String::new(), sample).await?;
    while let Some(Page { users, last, covers }) = page {
        passed += covers;
        show(passed, expected.max(passed));
        // The next page is read while this one is scored.
        let reading = tokio::spawn(read(pool.clone(), last, sample));
        for (user, state) in &users {
            tally.add(user, state.as_ref().ok(), catalogs);
        }
        page = reading.await.context("reading states panicked")??;
    }
    Ok(Report::of(tally, catalogs, sample))
}

struct Page {
    users: Vec<(String, Result<State, CodecError>)>,
    /// The last user that was looked at.
    last: String,
    /// How many were looked at.
    covers: u64,
}

async fn read(pool: Pool, after: String, sample: Sample) -> Result<Option<Page>, StoreError> {
    let left = KeyRange { after, until: None };
    let Some(page) = Keys::States.sampled_page(&pool, &left, sample, PAGE).await? else { return Ok(None) };
    let ids: Vec<&str> = page.users.iter().map(String::as_str).collect();
    let read = async |connection: &mut _| states::read(connection, &ids, UserCheck::None, &pool).await;
    let states = pool.read(read).await?.users.into_iter().map(|user| user.map(|current| current.state));
    let users = page.users.iter().cloned().zip(states).collect();
    Ok(Some(Page { users, last: page.last, covers: page.read as u64 }))
}
