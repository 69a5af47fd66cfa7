//! The users of a job by key, a page at a time, and split into ranges. No transaction stays open between pages.

use uuid::Uuid;

use crate::domain::sample::Sample;
use crate::store::error::StoreError;
use crate::store::sql::Pool;

/// The set of users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Users with a row in `travel_onboarding_profiles`.
    OnboardingProfiles,
    /// Users with a state.
    States,
    /// Users with this primary segment.
    Segment(String),
    /// Users on the list of a job.
    ListOf(Uuid),
    /// These, in bytewise order.
    Given(Vec<String>),
}

/// Users after `after`, up to and including `until`, in the order of their source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRange {
    pub after: String,
    /// `None`: to the end.
    pub until: Option<String>,
}

/// The statements on one source: a page up to its end, a page of a range, the number, and keys that split it evenly.
struct Statements {
    page: &'static str,
    page_until: &'static str,
    count: &'static str,
    split: &'static str,
}

/// A page of keys, with more conditions in `$more`.
macro_rules! page {
    ($key:literal, $table:literal, $condition:literal $(, $more:literal)*) => {
        concat!(
            "select ", $key, " from ", $table, " where ", $condition, " and ", $key, " > $2", $($more,)* " order by ", $key, " limit $3"
        )
    };
}

/// `$1` is the condition's value; a source without a condition has an empty text there.
macro_rules! statements {
    ($key:literal, $table:literal, $condition:literal) => {
        Statements {
            page: page!($key, $table, $condition),
            page_until: page!($key, $table, $condition, " and ", $key, " <= $4"),
            count: concat!("select count(*) from ", $table, " where ", $condition),
            split: concat!(
                "select percentile_disc($2::float8[]) within group (order by ",
                $key,
                ") from ",
                $table,
                " tablesample system ($3) where ",
                $condition
            ),
        }
    };
}

const OF_PROFILES: Statements = statements!(r#""userId""#, "public.travel_onboarding_profiles", "$1 = ''");
const OF_STATES: Statements = statements!("user_id", "segmenter.profile_states", "$1 = ''");
const OF_SEGMENT: Statements = statements!(r#""userId""#, "public.user_vectors", r#""primarySegment" = $1"#);
const OF_LIST: Statements = statements!("user_id", "segmenter.job_users", "job_id = $1::uuid");

/// A part of the users, and those of them that are in a sample.
#[derive(Debug)]
pub(crate) struct SampledPage {
    pub users: Vec<String>,
    /// The last user of the part, in the sample or not.
    pub last: String,
    /// The number of users of the part.
    pub read: usize,
}

/// The most keys that one statement reads for a sample.
const MOST_KEYS: usize = 100_000;

/// How many users are read to find the keys that split a source.
const SAMPLED: u64 = 20_000;

impl Keys {
    /// At most `limit` users of `range`, in the source's order.
    pub async fn page(&self, pool: &Pool, range: &KeyRange, limit: usize) -> Result<Vec<String>, StoreError> {
        let (statements, value) = match self.statements() {
            Ok(found) => found,
            Err(users) => {
                let is_inside =
                    |user: &&String| **user > range.after && range.until.as_ref().is_none_or(|until| **user <= *until);
                return Ok(users.iter().filter(is_inside).take(limit).cloned().collect());
            }
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = if range.until.is_some() { statements.page_until } else { statements.page };
        let mut page = pool.query_scalar(sql).bind(value).bind(range.after.clone()).bind(limit);
        if let Some(until) = &range.until {
            page = page.bind(until.clone());
        }
        pool.fetch_all(page).await
    }

    /// The users of the sample among the next users of `range`: about `wanted`, fewer where the sample is small. `None` after the
    /// last user.
    pub(crate) async fn sampled_page(
        &self,
        pool: &Pool,
        range: &KeyRange,
        sample: Sample,
        wanted: usize,
    ) -> Result<Option<SampledPage>, StoreError> {
        // A cast of a float saturates.
        let most = (wanted as f64 / sample.share()) as usize;
        let mut users = self.page(pool, range, most.min(MOST_KEYS)).await?;
        let Some(last) = users.last().cloned() else { return Ok(None) };
        let read = users.len();
        users.retain(|user| sample.contains(user));
        Ok(Some(SampledPage { users, last, read }))
    }

    /// The present number of users.
    pub async fn count(&self, pool: &Pool) -> Result<u64, StoreError> {
        let (statements, value) = match self.statements() {
            Ok(found) => found,
            Err(users) => return Ok(users.len() as u64),
        };
        let count: i64 = pool.fetch_one(pool.query_scalar(statements.count).bind(value)).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The source as at most `most` ranges of about the same size; `expected` is about the number of its users.
    pub async fn split(&self, pool: &Pool, most: usize, expected: u64) -> Result<Vec<KeyRange>, StoreError> {
        let fractions: Vec<f64> = (1..most).map(|place| place as f64 / most as f64).collect();
        let bounds: Vec<String> = match self.statements() {
            Ok((statements, value)) => {
                let percent = (100.0 * SAMPLED as f64 / expected.max(1) as f64).min(100.0);
                let split = pool.query_scalar(statements.split).bind(value).bind(fractions).bind(percent);
                let found: Option<Vec<Option<String>>> = pool.fetch_one(split).await?;
                found.into_iter().flatten().flatten().collect()
            }
            Err(users) => (1..most).filter_map(|place| users.get(users.len() * place / most)).cloned().collect(),
        };
        Ok(ranges(bounds))
    }

    /// The statements, with the value of their condition; or the users themselves.
    fn statements(&self) -> Result<(Statements, String), &[String]> {
        Ok(match self {
            Self::OnboardingProfiles => (OF_PROFILES, String::new()),
            Self::States => (OF_STATES, String::new()),
            Self::Segment(segment) => (OF_SEGMENT, segment.clone()),
            Self::ListOf(job) => (OF_LIST, job.to_string()),
            Self::Given(users) => return Err(users),
        })
    }
}

/// The ranges between `bounds`, which are in the source's order and may repeat.
fn ranges(mut bounds: Vec<String>) -> Vec<KeyRange> {
    bounds.dedup();
    let starts = std::iter::once(String::new()).chain(bounds.iter().cloned());
    let ends = bounds.iter().cloned().map(Some).chain(std::iter::once(None));
    starts.zip(ends).map(|(after, until)| KeyRange { after, until }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once_and_none_is_empty_where_bounds_repeat() {
        let range =
            |after: &str, until: Option<&str>| KeyRange { after: after.to_owned(), until: until.map(str::to_owned) };
        let of = |bounds: &[&str]| ranges(bounds.iter().map(|bound| (*bound).to_owned()).collect());
        assert_eq!(of(&[]), [range("", None)]);
        assert_eq!(of(&["g", "g", "p"]), [range("", Some("g")), range("g", Some("p")), range("p", None)]);
    }
}
