//! Reads states from `segmenter.profile_states` and `segmenter.deleted_users`; `compare_and_set` writes them.

use crate::store::error::StoreError;
use crate::store::sql::{Pool, Sessions};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{FromRow, Row};
use uuid::Uuid;

use super::history::{History, history};
use crate::codec::stored::{self, CodecError};
use crate::domain::event::{Millis, UserId};
use crate::domain::fold::Write;
use crate::domain::profile::Profile;
use crate::domain::ranking_change::ChangeBody;
use crate::domain::state::State;

/// The stored data of a user before a fold.
#[derive(Debug)]
pub struct Current {
    /// Whether the user is in `users`; true where that was not checked.
    pub known: bool,
    /// The compare-and-set counter of the version that was read. `None` where the user has no state yet.
    pub counter: Option<i64>,
    pub state: State,
}

impl Current {
    /// Whether the user may have no row in `user_vectors`: this service has not written one.
    pub(super) fn may_lack_a_row(&self) -> bool {
        !matches!(self.state.last_published, Some(ChangeBody::Ranking(_)))
    }

    /// Whether the user was erased as one that is not in `users`, is there again, and has no state yet.
    pub(super) fn is_deleted_user_again(&self) -> bool {
        self.known && self.counter.is_none() && self.state.profile.erased_at().is_some()
    }
}

/// The states of the users asked for, in that order, and the database's clock.
#[derive(Debug)]
pub struct Snapshot {
    /// The error is one of the stored bytes.
    pub users: Vec<Result<Current, CodecError>>,
    /// Unix time, ms.
    pub clock_ms: i64,
    /// Where they were read.
    pub history: History,
}

/// States of users; for a user without one, what is kept of a deleted user. The clock is read once, since extracting an epoch
/// is slow; the history once too, in the first row.
macro_rules! states_of {
    ($known:literal) => {
        concat!(
            "select ",
            $known,
            r#" as known,
       s.counter, s.revision, s.published, s.erased_at, s.catalog_version, s.job_id, s.state,
       case when s.user_id is null
            then (select array[d.revision, d.erased_at, d.tombstone_erased_at]
                    from segmenter.deleted_users d where d.user_id = k.user_id) end as deleted,
       (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as clock_ms,
       case when k.place = 1 then "#,
            history!(),
            r#" end as history
from unnest($1::text[]) with ordinality as k(user_id, place)
left join segmenter.profile_states s on s.user_id = k.user_id
order by k.place"#
        )
    };
}

/// Which users are looked up in `users`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserCheck {
    /// None: there is no `users` table, or it does not matter here.
    None,
    /// Users without a state: a state is deleted with its user (foreign key).
    NewUsers,
    /// All, since a state may have outlived its user.
    All,
}

const READ_ALL_AS_KNOWN: &str = states_of!("true");
const READ_CHECKING_NEW_USERS: &str =
    states_of!("(s.user_id is not null or (select true from public.users u where u.id = k.user_id) is true)");
const READ_CHECKING_ALL: &str = states_of!("(select true from public.users u where u.id = k.user_id) is true");

/// Reads the states of `users` without a lock: the compare-and-set detects later writes.
pub async fn read(
    connection: &mut PgConnection,
    users: &[&str],
    check: UserCheck,
    sessions: &Sessions,
) -> Result<Snapshot, sqlx::Error> {
    let statement = match check {
        UserCheck::None => READ_ALL_AS_KNOWN,
        UserCheck::NewUsers => READ_CHECKING_NEW_USERS,
        UserCheck::All => READ_CHECKING_ALL,
    };
    let rows = sessions.query_by_keys(statement, users.len()).bind(users).fetch_all(connection).await?;
    let clock_ms = rows.first().map_or(Ok(0), |row| row.try_get("clock_ms"))?;
    let history = rows.first().map_or(Ok(0), |row| row.try_get("history")).map(History)?;
    let users = rows.iter().map(current).collect::<Result<_, _>>()?;
    Ok(Snapshot { users, clock_ms, history })
}

fn current(row: &PgRow) -> Result<Result<Current, CodecError>, sqlx::Error> {
    let (known, counter): (bool, Option<i64>) = (row.try_get("known")?, row.try_get("counter")?);
    let state = match counter {
        Some(_) => StateRow::from_row(row)?.into_state(),
        None => Ok(of_deleted_user(row.try_get("deleted")?)),
    };
    Ok(state.map(|state| Current { known, counter, state }))
}

/// The state of a user who has none: revision, erasure, and the erasure that the published tombstone names, of a deleted user.
fn of_deleted_user(deleted: Option<Vec<Option<i64>>>) -> State {
    let mut kept = deleted.into_iter().flatten();
    let mut next = || kept.next().flatten();
    let (revision, erased_at, of_tombstone) = (next().unwrap_or(0), next().map(Millis), next().map(Millis));
    let last_published = (revision > 0).then_some(ChangeBody::Tombstone { erased_at: of_tombstone });
    let profile = Profile::default().with_erased_at(erased_at);
    State { profile, last_published, revision, ..State::default() }
}

/// The columns of a state as stored.
pub(crate) struct StateRow<'r> {
    pub revision: i64,
    /// The kind of the last published change.
    pub published: i16,
    pub erased_at: Option<i64>,
    pub catalog_version: i32,
    pub job_id: Option<Uuid>,
    pub state: &'r [u8],
}

impl<'r> FromRow<'r, PgRow> for StateRow<'r> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            revision: row.try_get("revision")?,
            published: row.try_get("published")?,
            erased_at: row.try_get("erased_at")?,
            catalog_version: row.try_get("catalog_version")?,
            job_id: row.try_get("job_id")?,
            state: row.try_get("state")?,
        })
    }
}

impl<'r> StateRow<'r> {
    /// The columns of `state`, of which `bytes` is the binary one.
    pub(super) fn of(state: &State, bytes: &'r [u8]) -> Self {
        Self {
            revision: state.revision,
            published: match state.last_published {
                None => PUBLISHED_NOTHING,
                Some(ChangeBody::Ranking(_)) => PUBLISHED_RANKING,
                Some(ChangeBody::Tombstone { .. }) => PUBLISHED_TOMBSTONE,
            },
            erased_at: state.profile.erased_at().map(|time| time.0),
            catalog_version: i32::try_from(state.catalog_version).unwrap_or(i32::MAX),
            job_id: state.job,
            state: bytes,
        }
    }

    /// The state in memory.
    pub(crate) fn into_state(self) -> Result<State, CodecError> {
        let erased_at = self.erased_at.map(Millis);
        let stored = stored::decode_state(self.state)?;
        let last_published = match self.published {
            PUBLISHED_RANKING => {
                Some(ChangeBody::Ranking(stored.new_ranking.ok_or(CodecError::Damaged { what: "state" })?))
            }
            // Every later erasure publishes a tombstone of its own.
            PUBLISHED_TOMBSTONE => Some(ChangeBody::Tombstone { erased_at }),
            _ => None,
        };
        Ok(State {
            profile: stored.profile.with_erased_at(erased_at),
            last_published,
            revision: self.revision,
            catalog_version: u32::try_from(self.catalog_version).unwrap_or(0),
            job: self.job_id,
        })
    }
}

/// Values of the column `published`.
const PUBLISHED_NOTHING: i16 = 0;
const PUBLISHED_RANKING: i16 = 1;
const PUBLISHED_TOMBSTONE: i16 = 2;

/// Without a tombstone the revision is 0.
const KEEP_DELETED_USERS: &str = r#"
insert into segmenter.deleted_users as held (user_id, erased_at, revision, tombstone_erased_at)
select user_id, erased_at, revision, case when revision > 0 then erased_at end
from unnest($1::text[], $2::bigint[], $3::bigint[]) as k(user_id, erased_at, revision)
on conflict (user_id) do update set
    erased_at = greatest(held.erased_at, excluded.erased_at),
    tombstone_erased_at =
        case when excluded.revision > held.revision then excluded.tombstone_erased_at else held.tombstone_erased_at end,
    revision = greatest(held.revision, excluded.revision)"#;

/// Keeps what was written of users that are not, or no longer, in `users`: the erasure, so that older events cannot bring
/// them back, and the revision of the tombstone.
pub(super) async fn keep_deleted_users(
    connection: &mut PgConnection,
    deleted: &[(&UserId, &Write)],
    sessions: &Sessions,
) -> Result<(), sqlx::Error> {
    let users: Vec<&str> = deleted.iter().map(|(user, _)| user.as_str()).collect();
    let erased_at = |write: &Write| write.state.profile.erased_at().map(|at| at.0);
    let times: Vec<Option<i64>> = deleted.iter().map(|(_, write)| erased_at(write)).collect();
    let revision = |write: &Write| write.change.as_ref().map_or(0, |change| change.revision);
    let revisions: Vec<i64> = deleted.iter().map(|(_, write)| revision(write)).collect();
    sessions.query(KEEP_DELETED_USERS).bind(users).bind(times).bind(revisions).execute(connection).await?;
    Ok(())
}

/// The users after `after`, at most `limit`, whose last deferred write was `job`'s and has not been published.
pub(crate) async fn holders(pool: &Pool, after: &str, job: Uuid, limit: usize) -> Result<Vec<String>, StoreError> {
    let holders = pool.query_scalar(
        "select user_id from segmenter.profile_states where job_id = $1 and user_id > $2 order by user_id limit $3",
    );
    pool.fetch_all(holders.bind(job).bind(after).bind(i64::try_from(limit).unwrap_or(i64::MAX))).await
}
