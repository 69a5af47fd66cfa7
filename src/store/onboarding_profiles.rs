//! Reads the platform's `travel_onboarding_profiles` as the preferences that an event would carry.

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

/// One row. Texts are JSON and dates as an event has them; their content is not validated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnboardingProfile {
    pub user: String,
    pub is_completed: bool,
    /// Unix time, ms; `None` where the value is infinite.
    pub updated_at: Option<i64>,
    pub preferences: String,
    /// The database's clock at the read, Unix time, ms.
    pub read_at: i64,
    /// `YYYY-MM-DD`; `None` where it is null or the database has no such column.
    pub date_of_birth: Option<String>,
    pub has_vector: bool,
    /// Whether the vector's row has segments and a primary segment.
    pub has_segments: bool,
}

macro_rules! read {
    ($birth:literal, $users:literal) => {
        concat!(
            r#"
select t."userId" as "user", t."isCompleted" as is_completed,
       case when isfinite(t."updatedAt") then floor(extract(epoch from t."updatedAt") * 1000)::bigint end as updated_at,
       jsonb_build_object(
         'budget', jsonb_build_object('globalRange', t."globalBudgetRange"),
         'travel', jsonb_build_object(
           'types', to_jsonb(t."travelTypes"::text[]), 'purposes', to_jsonb(t."travelPurposes"),
           'groupTypes', to_jsonb(t."travelGroupTypes"), 'travelWithChildren', t."travelWithChildren",
           'childrenAges', to_jsonb(t."childrenAges")),
         'accommodation', jsonb_build_object(
           'types', to_jsonb(t."accommodationTypes"), 'comfortLevel', t."accommodationLevel"::text),
         'activities', jsonb_build_object(
           'types', to_jsonb(t."activityTypes"), 'interests', to_jsonb(t."interestCategories"),
           'activityLevel', t."activityLevel"::text),
         'experience', jsonb_build_object('riskTolerance', t."riskTolerance"::text),
         'climate', jsonb_build_object('preferences', to_jsonb(t."climatePreferences")),
         'destinations', case when jsonb_typeof(t."preferredDestinations") = 'object' then '{}' else t."preferredDestinations" end,
         'transport', jsonb_build_object('preferredAirlines', to_jsonb(t."preferredAirlines"))
       )::text as preferences,
       (select floor(extract(epoch from clock_timestamp()) * 1000)::bigint) as read_at,
       "#,
            $birth,
            r#" as date_of_birth, v."userId" is not null as has_vector,
       v.segments is not null and v."primarySegment" is not null as has_segments
from unnest($1::text[]) with ordinality as k(user_id, place)
join public.travel_onboarding_profiles t on t."userId" = k.user_id
left join public.user_vectors v on v."userId" = k.user_id
"#,
            $users,
            " order by k.place"
        )
    };
}

/// The profiles of `users`, in their order; users without a profile are left out.
pub async fn read(pool: &Pool, users: &[String], has_births: bool) -> Result<Vec<OnboardingProfile>, StoreError> {
    let statement = if has_births {
        read!(r#"to_char(u."dateOfBirth", 'YYYY-MM-DD')"#, r#"left join public.users u on u.id = k.user_id"#)
    } else {
        read!("null::text", "")
    };
    pool.fetch_all(pool.query_as(statement).bind(users)).await
}

/// The columns that [`read`] needs and that are missing or not readable by this role.
pub async fn unreadable(pool: &Pool) -> Result<Vec<String>, StoreError> {
    pool.fetch_all(pool.query_scalar(
        r#"
        with wanted(name) as (select unnest(array[
            'userId', 'isCompleted', 'updatedAt', 'globalBudgetRange', 'travelTypes', 'travelPurposes', 'travelGroupTypes',
            'travelWithChildren', 'childrenAges', 'accommodationTypes', 'accommodationLevel', 'activityTypes',
            'interestCategories', 'activityLevel', 'riskTolerance', 'climatePreferences', 'preferredAirlines',
            'preferredDestinations']))
        select name from wanted
        left join pg_attribute on attrelid = to_regclass('public.travel_onboarding_profiles') and attname = name
                              and not attisdropped
        where attnum is null or not has_column_privilege(attrelid, attnum, 'select')
        union all
        select 'dateOfBirth (users)' from pg_attribute
        where attrelid = to_regclass('public.users') and attname = 'dateOfBirth' and not attisdropped
          and not has_column_privilege(attrelid, attnum, 'select')"#,
    )).await
}

/// Whether `users` has dates of birth.
pub(crate) async fn has_births(pool: &Pool) -> Result<bool, StoreError> {
    pool.fetch_one(pool.query_scalar(
        "select exists (select from pg_attribute where attrelid = to_regclass('public.users')
                           and attname = 'dateOfBirth' and not attisdropped)",
    ))
    .await
}

/// How many rows of `user_vectors` one statement counts.
const PAGE: i64 = 20_000;

/// The number of rows of `user_vectors` whose users have no onboarding profile, counted page by page.
pub(crate) async fn vectors_without(pool: &Pool) -> Result<u64, StoreError> {
    let (mut after, mut without) = (String::new(), 0);
    loop {
        let page = pool.query_as(
            r#"with page as (select "userId" from public.user_vectors where "userId" > $1 order by "userId" limit $2)
               select max("userId"), count(*) filter (where not exists (
                   select from public.travel_onboarding_profiles t where t."userId" = page."userId"))
               from page"#,
        );
        let (last, found): (Option<String>, i64) = pool.fetch_one(page.bind(after).bind(PAGE)).await?;
        without += u64::try_from(found).unwrap_or(0);
        match last {
            Some(last) => after = last,
            None => return Ok(without),
        }
    }
}

impl<'r> FromRow<'r, PgRow> for OnboardingProfile {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            user: row.try_get("user")?,
            is_completed: row.try_get("is_completed")?,
            updated_at: row.try_get("updated_at")?,
            preferences: row.try_get("preferences")?,
            read_at: row.try_get("read_at")?,
            date_of_birth: row.try_get("date_of_birth")?,
            has_vector: row.try_get("has_vector")?,
            has_segments: row.try_get("has_segments")?,
        })
    }
}
