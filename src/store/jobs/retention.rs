//! Deletes jobs that ended long ago.

use std::time::Duration;

use super::interval;
use crate::store::error::StoreError;
use crate::store::sql::Pool;

/// How many users of a job's list one statement deletes: a list may have millions.
const USERS_AT_ONCE: i64 = 10_000;

/// Deletes jobs that ended longer than `age` ago, with their parts, lists of users and failures; returns their number.
///
/// # Errors
/// The database is unavailable, or the role may not delete them.
pub async fn delete_ended(pool: &Pool, age: Duration) -> Result<u64, StoreError> {
    loop {
        let users = pool.query(
            "delete from segmenter.job_users where (job_id, user_id) in (
               select u.job_id, u.user_id from segmenter.jobs j join segmenter.job_users u on u.job_id = j.id
                where j.ended_at < clock_timestamp() - $1 limit $2)",
        );
        if pool.execute(users.bind(interval(age)).bind(USERS_AT_ONCE)).await? == 0 {
            break;
        }
    }
    let jobs = pool.query("delete from segmenter.jobs where ended_at < clock_timestamp() - $1");
    pool.execute(jobs.bind(interval(age))).await
}
