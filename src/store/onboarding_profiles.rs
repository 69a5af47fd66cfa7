//! Reads the platform's `travel_onboarding_profiles`.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

use crate::codec::columns::Columns;
use crate::store::error::StoreError;
use crate::store::sql::Pool;

/// One row. Its content is not validated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnboardingProfile {
    pub user: String,
    pub is_completed: bool,
    /// Unix time, ms; `None` where the value is infinite.
    pub updated_at: Option<i64>,
    /// The date of birth is null where the database has no such column. An error names a column with a value of no known form,
    /// such as a list of lists.
    pub columns: Result<Columns, String>,
    /// The database's clock at the read, Unix time, ms.
    pub read_at: i64,
    pub has_vector: bool,
    /// Whether the vector's row has segments and a primary segment.
    pub has_segments: bool,
}

/// The columns as they are: JSON made by PostgreSQL costs both sides more than everything else of this statement. The clock is
/// read once, since extracting an epoch is slow.
macro_rules! read {
    ($birth:literal, $users:literal) => {
        concat!(
            r#"
select t."userId" as "user", t."isCompleted" as is_completed,
       case when isfinite(t."updatedAt") then floor(extract(epoch from t."updatedAt") * 1000)::bigint end as updated_at,
       t."globalBudgetRange"::text as global_range, t."travelTypes"::text[] as travel_types, t."travelPurposes" as travel_purposes,
       t."travelGroupTypes" as travel_group_types, t."travelWithChildren" as travel_with_children,
       t."childrenAges" as children_ages, t."accommodationTypes" as accommodation_types,
       t."accommodationLevel"::text as accommodation_level, t."activityTypes" as activity_types,
       t."interestCategories" as interest_categories, t."activityLevel"::text as activity_level,
       t."riskTolerance"::text as risk_tolerance, t."climatePreferences" as climate_preferences,
       jsonb_typeof(t."preferredDestinations") as destinations, t."preferredAirlines" as preferred_airlines,
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
            columns: columns(row).map_err(|error| error.to_string()),
            read_at: row.try_get("read_at")?,
            has_vector: row.try_get("has_vector")?,
            has_segments: row.try_get("has_segments")?,
        })
    }
}

fn columns(row: &PgRow) -> Result<Columns, sqlx::Error> {
    Ok(Columns {
        global_range: row.try_get("global_range")?,
        travel_types: row.try_get("travel_types")?,
        travel_purposes: row.try_get("travel_purposes")?,
        travel_group_types: row.try_get("travel_group_types")?,
        travel_with_children: row.try_get("travel_with_children")?,
        children_ages: row.try_get("children_ages")?,
        accommodation_types: row.try_get("accommodation_types")?,
        accommodation_level: row.try_get("accommodation_level")?,
        activity_types: row.try_get("activity_types")?,
        interest_categories: row.try_get("interest_categories")?,
        activity_level: row.try_get("activity_level")?,
        risk_tolerance: row.try_get("risk_tolerance")?,
        climate_preferences: row.try_get("climate_preferences")?,
        destinations: row.try_get("destinations")?,
        preferred_airlines: row.try_get("preferred_airlines")?,
        date_of_birth: row.try_get("date_of_birth")?,
    })
}
