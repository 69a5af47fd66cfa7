//! The platform's own tables beside ours: users, and the onboarding profiles that the platform stores.

use sqlx::postgres::PgPool;

use super::PAGE;
use crate::store::sql;

/// Whether a table of the platform's can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Absent,
    /// The role of the service needs no right on it, and may have none.
    Denied,
    Granted,
}

/// How many users the platform has. Reads the index only, where the table has been vacuumed.
///
/// # Errors
/// The database does not answer, or there is no such table.
pub async fn count_users(pool: &PgPool) -> Result<i64, sqlx::Error> {
    sql::query_scalar("select count(id) from public.users").fetch_one(&mut *sql::begin_in(pool).await?).await
}

/// Whether `travel_onboarding_profiles` is there and may be read.
///
/// # Errors
/// The database does not answer.
pub async fn may_read_profiles(pool: &PgPool) -> Result<Access, sqlx::Error> {
    let (there, granted): (bool, Option<bool>) = sql::query_as(
        r#"
        select t.oid is not null,
               (select bool_and(has_column_privilege(t.oid, attnum, 'select')) from pg_attribute
                 where attrelid = t.oid and attname in ('userId', 'isCompleted'))
        from (select to_regclass('public.travel_onboarding_profiles')::oid as oid) t"#,
    )
    .fetch_one(&mut *sql::begin_in(pool).await?)
    .await?;
    Ok(match (there, granted) {
        (false, _) => Access::Absent,
        (true, Some(true)) => Access::Granted,
        (true, _) => Access::Denied,
    })
}

/// A profile of the platform's, with what we have of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedProfile {
    pub user: String,
    pub completed: bool,
    pub has_row: bool,
    pub has_segments: bool,
    /// A tombstone came at some time: it is right that there are no segments.
    pub erased: bool,
}

/// A page of onboarding profiles, completed or not, after the user `after`.
///
/// # Errors
/// The database does not answer, or there is no such table.
pub async fn completed_profiles(pool: &PgPool, after: &str) -> Result<Vec<CompletedProfile>, sqlx::Error> {
    let rows: Vec<(String, bool, bool, bool, bool)> = sql::query_as(
        r#"
        select t."userId", t."isCompleted", coalesce(v.has_row, false), coalesce(v.has_segments, false),
               coalesce(s.erased, d.erased, false)
        from (
            select "userId", "isCompleted" from public.travel_onboarding_profiles
            where "userId" > $1 order by "userId" limit $2
        ) t
        left join lateral (
            select true as has_row, segments is not null as has_segments
            from public.user_vectors where "userId" = t."userId" offset 0
        ) v on true
        left join lateral (
            select erased_at is not null as erased
            from segmenter.profile_states where user_id = t."userId" offset 0
        ) s on true
        left join lateral (
            select erased_at is not null as erased from segmenter.departed where user_id = t."userId" offset 0
        ) d on true
        order by t."userId""#,
    )
    .bind(after)
    .bind(PAGE)
    .fetch_all(&mut *sql::begin_in(pool).await?)
    .await?;
    let profile = |(user, completed, has_row, has_segments, erased)| CompletedProfile {
        user,
        completed,
        has_row,
        has_segments,
        erased,
    };
    Ok(rows.into_iter().map(profile).collect())
}
