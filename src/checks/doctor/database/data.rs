//! What we keep: the outbox, states and rows, the catalog that scored them. Two of the questions read a whole table; the
//! server gives those up in time.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::checks::doctor::finding::{Answer, Findings};
use crate::checks::doctor::words::{count, span};

/// Less than the whole question may take, so that the server stops before we stop listening.
const SCAN: &str = "4s";
/// A row that waits longer has outlived the lease of a dead process twice, and was not taken over.
const LONG: Duration = Duration::from_secs(60);

/// How many rows wait, and for how long the oldest has.
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
            format!("{waiting} to be published, the oldest for {age}; no more events are taken in (outbox.max_depth)."),
            "See \"The outbox is deep\" in the runbook. Never delete rows.",
        );
    } else if rows > 0 && oldest >= LONG {
        found.warning(
            format!("{waiting} to be published, the oldest for {age}."),
            "Start a process if none runs; else see \"The outbox is deep\" in the runbook. Never delete rows.",
        );
    }
    found.ok(format!("{waiting} to be published, none for long."));
}

/// Users of whom a ranking was published and who have no row.
pub(super) async fn read_states_without_rows(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let question = r#"
        select count(*) from segmenter.profile_states s
         where s.published = 1 and not exists (select from public.user_vectors v where v."userId" = s.user_id)"#;
    scan(connection, question).await
}

/// Whether rows of ours were deleted.
pub(super) fn rows(without: Answer<i64>, found: &mut Findings) {
    let Some(without) = found.begin_with("rows", "Whether every state has its row", without) else { return };
    if without > 0 {
        let users = count(without.unsigned_abs(), "user has", "users have");
        found.warning(
            format!("{users} published segments and no row in public.user_vectors: something else has deleted it."),
            "Find out what deletes rows; a user's next event that changes the profile writes the row again.",
        );
    }
    found.ok("every user whose segments were published has a row.");
}

/// The highest version of a catalog that scored a user; 0 where none did.
pub(super) async fn read_newest_catalog(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    scan(connection, "select coalesce(max(catalog_version), 0)::bigint from segmenter.profile_states").await
}

/// Whether a newer catalog has scored users, whom this process would refuse to fold.
pub(super) fn catalog(newest: Answer<i64>, ours: i64, found: &mut Findings) {
    let Some(newest) = found.begin_with("catalog", "Which catalog has scored users", newest) else { return };
    if newest > ours {
        found.problem(
            format!(
                "users are scored with catalog {newest}, and this process has {ours}: it would end with exit code 3."
            ),
            "Start the version, or set the catalog.file, that has the newer catalog.",
        );
    }
    found.ok(format!("no user is scored with a newer catalog than this process has ({ours})."));
}

async fn scan(connection: &mut PgConnection, question: &'static str) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(AssertSqlSafe(format!("set local statement_timeout = '{SCAN}'"))).execute(&mut *transaction).await?;
    let number = sqlx::query_scalar(question).fetch_one(&mut *transaction).await;
    transaction.rollback().await?;
    number
}
