//! Checks of the stored data: the outbox, states and rows, the catalog that scored them. Two queries read a whole
//! table; the server cancels them in time.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::checks::doctor::finding::{Answer, Findings};
use crate::checks::doctor::words::{count, span};

/// Less than the query's deadline, so that the server cancels the query before the client gives up.
const SCAN: &str = "4s";
/// A row that waits longer should have been taken over: this is twice the lease of a dead process.
const LONG: Duration = Duration::from_secs(60);

/// The number of rows, and the age of the oldest.
pub(super) async fn read_outbox(connection: &mut PgConnection) -> Result<(i64, Duration), sqlx::Error> {
    let (rows, oldest): (i64, f64) = sqlx::query_as(
        "select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from segmenter.outbox",
    )
    .fetch_one(connection)
    .await?;
    Ok((rows, Duration::try_from_secs_f64(oldest.max(0.0)).unwrap_or_default()))
}

pub(super) fn outbox(outbox: Answer<(i64, Duration)>, max_rows: i64, found: &mut Findings) {
    let Some((rows, oldest)) = found.begin_with("outbox", "The outbox", outbox) else { return };
    let waiting = count(rows.unsigned_abs(), "row waits", "rows wait");
    let age = span(oldest.as_secs() * 1_000);
    if rows >= max_rows {
        found.warning(
            format!("{waiting} to be published, the oldest for {age}; intake has stopped (outbox.max_depth)."),
            "See \"The outbox is deep\" in the runbook. Never delete rows.",
        );
    } else if rows > 0 && oldest >= LONG {
        found.warning(
            format!("{waiting} to be published, the oldest for {age}."),
            "If no process runs, start one; else see \"The outbox is deep\" in the runbook. Never delete rows.",
        );
    }
    found.ok(format!("{waiting} to be published, none longer than {LONG:?}."));
}

/// The number of users with a published ranking and without a row.
pub(super) async fn read_states_without_rows(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let query = r#"
        select count(*) from segmenter.profile_states s
         where s.published = 1 and not exists (select from public.user_vectors v where v."userId" = s.user_id)"#;
    scan(connection, query).await
}

/// Whether another program deleted rows of `user_vectors`.
pub(super) fn rows(without: Answer<i64>, found: &mut Findings) {
    let Some(without) = found.begin_with("rows", "The rows of all states", without) else { return };
    if without > 0 {
        let users = count(without.unsigned_abs(), "user has", "users have");
        found.warning(
            format!("{users} published segments and no row in public.user_vectors: another program has deleted it."),
            "Find the program that deletes rows, then write the rows again: `segmenter recompute --repair --execute`.",
        );
    }
    found.ok("every user with published segments has a row.");
}

/// The highest version of a catalog that scored a user; 0 if none did.
pub(super) async fn read_newest_catalog(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    scan(connection, "select coalesce(max(catalog_version), 0)::bigint from segmenter.profile_states").await
}

/// Whether a newer catalog has scored users: this process would refuse to fold them.
pub(super) fn catalog(newest: Answer<i64>, ours: i64, found: &mut Findings) {
    let Some(newest) = found.begin_with("catalog", "The newest catalog that scored a user", newest) else { return };
    if newest > ours {
        found.problem(
            format!(
                "users are scored with catalog {newest}, but this process has {ours}: it would end with exit code 3."
            ),
            "Start the version that has the newer catalog, or set catalog.file to that catalog.",
        );
    }
    found.ok(format!("no user is scored with a newer catalog than that of this process ({ours})."));
}

async fn scan(connection: &mut PgConnection, query: &'static str) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(AssertSqlSafe(format!("set local statement_timeout = '{SCAN}'"))).execute(&mut *transaction).await?;
    let number = sqlx::query_scalar(query).fetch_one(&mut *transaction).await;
    transaction.rollback().await?;
    number
}
