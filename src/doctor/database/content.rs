//! The questions about what we keep. Two of them read a whole table; the server gives those up in time.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _};

use super::Outbox;

/// Less than the whole question may take, so that the server stops before we stop listening.
const SCAN: &str = "4s";

pub(super) async fn outbox(connection: &mut PgConnection) -> Result<Outbox, sqlx::Error> {
    let (rows, oldest): (i64, f64) = sqlx::query_as(
        "select count(*), coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 from segmenter.outbox",
    )
    .fetch_one(connection)
    .await?;
    Ok(Outbox { rows, oldest: Duration::try_from_secs_f64(oldest.max(0.0)).unwrap_or_default() })
}

pub(super) async fn newest_catalog(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    scan(connection, "select coalesce(max(catalog_version), 0)::bigint from segmenter.profile_states").await
}

pub(super) async fn states_without_rows(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let question = r#"
        select count(*) from segmenter.profile_states s
         where s.said = 1 and not exists (select from public.user_vectors v where v."userId" = s.user_id)"#;
    scan(connection, question).await
}

async fn scan(connection: &mut PgConnection, question: &'static str) -> Result<i64, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(AssertSqlSafe(format!("set local statement_timeout = '{SCAN}'"))).execute(&mut *transaction).await?;
    let number = sqlx::query_scalar(question).fetch_one(&mut *transaction).await;
    transaction.rollback().await?;
    number
}
