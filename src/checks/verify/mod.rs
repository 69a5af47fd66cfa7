//! `segmenter verify`: whether rows, states and segment-changed agree. Reads only.
//!
//! ```text
//! walk       pages in, counts and findings out
//! place      how far it is; interruption and resumption
//! states     pages of states with their rows
//! platform   pages of the platform's tables: user_vectors, onboarding profiles
//! row        whether a row of user_vectors is consistent in itself
//! topic      the last records on segment-changed, compared with the last published changes
//! report     counts, findings, examples
//! ```
//!
//! Tables are read in pages by key, so that no statement runs long and no transaction stays open. A page is one
//! statement, so that it shows a state and its row as of the same fold.

mod place;
mod platform;
pub mod report;
pub mod row;
mod states;
pub mod topic;
pub mod walk;

use std::str::FromStr;

use crate::store::sql::Pool;

use crate::domain::scoring::Catalog;
use crate::migrate::schema::SchemaStatus;

pub use place::{Place, Progress, Run};
pub use platform::vectors;

pub(crate) use platform::{ShownRow, completed_profiles, count_users, may_read_profiles};
pub use states::{Sample, deleted, states};
pub(crate) use states::{StoredUser, count_states};

/// The number of rows in a page.
pub(crate) const PAGE: i64 = 5_000;

/// The database that is checked.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'d> {
    pub pool: &'d Pool,
    pub schema: &'d SchemaStatus,
    pub has_users: bool,
}

/// The number of users to score again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    About(u32),
    All,
}

impl FromStr for Depth {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(users) if users > 0 => Ok(Self::About(users)),
            _ if text == "all" => Ok(Self::All),
            _ => Err("must be a number of users, 1 or more, or all"),
        }
    }
}

/// Checks rows, states and, with `topic`, segment-changed. Counts and findings up to an error are in `run`, which can go on from
/// its place; only a comparison with the topic that is not finished has to begin anew.
///
/// # Errors
/// The database or Kafka does not answer, or a stop was requested.
pub async fn verify(
    database: &Verified<'_>,
    catalog: &Catalog,
    depth: Option<Depth>,
    mut topic: Option<topic::Comparison>,
    run: &mut Run<'_>,
) -> anyhow::Result<()> {
    let pool = database.pool;
    run.counts.schema = database.schema.to_string();
    run.counts.catalog_version = catalog.version();
    walk::schema(pool, run).await?;
    if database.has_users {
        run.counts.users = Some(count_users(pool).await?);
    }
    let sample = walk::sample(pool, depth).await?;
    walk::states(pool, catalog, sample, topic.as_mut(), run).await?;
    if let Some(comparison) = topic {
        run.counts.topic = Some(comparison.end(pool, &mut run.findings).await?);
    }
    walk::vectors(pool, run).await?;
    walk::profiles(pool, run).await?;
    walk::outbox(pool, run).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_depth_is_a_number_of_users_or_all() {
        assert_eq!("all".parse(), Ok(Depth::All));
        assert_eq!("1".parse(), Ok(Depth::About(1)));
        for text in ["", "0", "-1", "ALL", "1.5"] {
            assert!(text.parse::<Depth>().is_err(), "{text}");
        }
    }
}
