//! The questions to the server and about the schema. The session is read-only, each question has a deadline.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;

use super::rights::{self, Right, Scope};
use super::{Clock, Connections, Facts, Index, Needs, Server, content};
use crate::doctor::finding::{Answer, Unreachable, Untold};
use crate::store::error::{ErrorClass, classify};
use crate::store::schema::{self, Platform};

/// How long one question may take.
pub(super) const ANSWER: Duration = Duration::from_secs(5);
/// How often the clock is asked; the quickest answer counts.
const CLOCK_LOOKS: u32 = 3;

/// Asks all that the checks want to know.
pub async fn gather(
    options: &PgConnectOptions,
    connect_timeout: Duration,
    needs: &Needs,
) -> Result<Facts, Unreachable> {
    let timeout_text = needs.statement_timeout.as_millis().to_string();
    // As the service connects, so that what stands between it and the server shows; read-only besides.
    let options = options
        .clone()
        .application_name("segmenter doctor")
        .options([("statement_timeout", timeout_text.as_str()), ("default_transaction_read_only", "on")]);
    let mut session = Session::open(&options, connect_timeout).await?;
    let server = match session.ask(server).await {
        Ok(server) => server,
        Err(untold) => return Err(Unreachable::Away(untold.why)),
    };
    let facts = Facts {
        server,
        clock: session.ask(clock).await,
        schema: session.ask(schema::check).await,
        columns: session.ask(columns).await,
        indexes: session.ask(indexes).await,
        triggers: session.ask(triggers).await,
        platform: session.ask(Platform::detect).await,
        missing_rights: session.ask(missing_rights).await,
        connections: session.ask(async |connection| connections(connection, needs).await).await,
        outbox: session.ask(content::outbox).await,
        newest_catalog: session.ask(content::newest_catalog).await,
        states_without_rows: session.ask(content::states_without_rows).await,
    };
    session.close().await;
    Ok(facts)
}

/// A connection that is dropped with the first question it does not answer in time.
struct Session(Option<PgConnection>);

impl Session {
    async fn open(options: &PgConnectOptions, connect_timeout: Duration) -> Result<Self, Unreachable> {
        match timeout(connect_timeout, options.connect()).await {
            Ok(Ok(connection)) => Ok(Self(Some(connection))),
            Ok(Err(error)) if classify(&error) == ErrorClass::Misconfigured => Err(Unreachable::Refused(said(&error))),
            Ok(Err(error)) => Err(Unreachable::Away(said(&error))),
            Err(_) => Err(Unreachable::Away(format!("no answer within {connect_timeout:?}"))),
        }
    }

    async fn ask<T>(&mut self, question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>) -> Answer<T> {
        let Some(connection) = &mut self.0 else {
            return Err(Untold::failed("the database had stopped answering"));
        };
        match timeout(ANSWER, question(connection)).await {
            Ok(answer) => answer.map_err(|error| untold(&error)),
            Err(_) => {
                // What it may answer yet would be taken for the answer to another question.
                self.0 = None;
                Err(Untold::failed(format!("no answer within {ANSWER:?}")))
            }
        }
    }

    async fn close(self) {
        if let Some(connection) = self.0 {
            // A farewell that fails changes nothing.
            let _ = timeout(ANSWER, connection.close()).await;
        }
    }
}

fn untold(error: &sqlx::Error) -> Untold {
    let code = error.as_database_error().and_then(|database| database.code()).unwrap_or_default().into_owned();
    match code.as_str() {
        "42501" => Untold {
            why: said(error),
            advice: "Run docs/grants.sql as the owner of the tables.".to_owned(),
            denied: true,
        },
        "42P01" | "3F000" => Untold {
            why: said(error),
            advice: "The migrations make it: `segmenter migrate run`.".to_owned(),
            denied: false,
        },
        _ => Untold::failed(said(error)),
    }
}

/// The server's own words where there are any: none of our questions quotes data.
fn said(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |database| database.message().to_owned())
}

async fn server(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    let (version, standby, tls, role, superuser, synchronous_commit): (
        i32,
        bool,
        Option<String>,
        String,
        bool,
        String,
    ) = sqlx::query_as(
        "select current_setting('server_version_num')::int, pg_is_in_recovery(),
                    (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl),
                    current_user::text, (select rolsuper from pg_roles where rolname = current_user),
                    current_setting('synchronous_commit')",
    )
    .fetch_one(&mut *connection)
    .await?;
    // In milliseconds there, whatever the unit in which they were set; the last is new in PostgreSQL 17.
    let timeouts: Vec<(String, i64)> = sqlx::query_as(
        "select name, setting::bigint from pg_settings
          where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')",
    )
    .fetch_all(&mut *connection)
    .await?;
    let named = |name: &str| {
        let found = timeouts.iter().find(|(found, _)| found == name);
        Duration::from_millis(found.and_then(|(_, ms)| u64::try_from(*ms).ok()).unwrap_or_default())
    };
    Ok(Server {
        version,
        standby,
        tls,
        role,
        superuser,
        synchronous_commit,
        statement_timeout: named("statement_timeout"),
        idle_in_transaction_timeout: named("idle_in_transaction_session_timeout"),
        transaction_timeout: named("transaction_timeout"),
    })
}

async fn clock(connection: &mut PgConnection) -> Result<Clock, sqlx::Error> {
    let mut best: Option<Clock> = None;
    for _ in 0..CLOCK_LOOKS {
        let before = now_ms();
        let server: i64 = sqlx::query_scalar("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint")
            .fetch_one(&mut *connection)
            .await?;
        let uncertain_ms = (now_ms() - before) / 2;
        let look = Clock { ahead_ms: server - before - uncertain_ms, uncertain_ms };
        if best.is_none_or(|best| look.uncertain_ms < best.uncertain_ms) {
            best = Some(look);
        }
    }
    best.ok_or(sqlx::Error::RowNotFound)
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or_default()
}

async fn columns(connection: &mut PgConnection) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "select a.attname::text, format_type(a.atttypid, a.atttypmod)
           from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'public' and c.relname = 'user_vectors' and a.attnum > 0 and not a.attisdropped
          order by a.attnum",
    )
    .fetch_all(connection)
    .await
}

async fn indexes(connection: &mut PgConnection) -> Result<Vec<Index>, sqlx::Error> {
    // An index repeats a unique one if it has the same columns, with the same operators and collations, and no condition.
    let rows: Vec<(String, String, bool, Option<String>, bool)> = sqlx::query_as(
        r#"
        select format('%I.%I', n.nspname, c.relname), t.relname::text, i.indisvalid and i.indisready,
               (select format('%I.%I', un.nspname, uc.relname)
                  from pg_index u join pg_class uc on uc.oid = u.indexrelid join pg_namespace un on un.oid = uc.relnamespace
                 where u.indrelid = i.indrelid and u.indexrelid <> i.indexrelid and u.indisunique and u.indisvalid
                   and not i.indisunique and i.indpred is null and u.indpred is null and i.indexprs is null
                   and u.indkey::text = i.indkey::text and u.indclass::text = i.indclass::text
                   and u.indcollation::text = i.indcollation::text and u.indoption::text = i.indoption::text
                 limit 1),
               t.relname = 'user_vectors' and i.indnkeyatts = 1 and i.indpred is null and exists (
                 select from pg_attribute a
                  where a.attrelid = i.indrelid and a.attnum = i.indkey[0] and a.attname = 'primarySegment')
          from pg_index i
          join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
          join pg_class t on t.oid = i.indrelid
         where n.nspname = 'segmenter' or (n.nspname = 'public' and t.relname = 'user_vectors')
         order by 1"#,
    )
    .fetch_all(connection)
    .await?;
    let index =
        |(name, table, valid, repeats, on_primary_segment)| Index { name, table, valid, repeats, on_primary_segment };
    Ok(rows.into_iter().map(index).collect())
}

async fn triggers(connection: &mut PgConnection) -> Result<Vec<(String, bool)>, sqlx::Error> {
    sqlx::query_as(
        "select g.tgname::text, g.tgenabled in ('O', 'A')
           from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'segmenter' and c.relname = 'profile_states' and not g.tgisinternal",
    )
    .fetch_all(connection)
    .await
}

/// The rights that are missing to what exists. Names are looked up in the catalogs, which everyone may read.
async fn missing_rights(connection: &mut PgConnection) -> Result<Vec<Right>, sqlx::Error> {
    let needed = rights::needed();
    let column = |right: &Right| match right.scope {
        Scope::Column(column) => column,
        Scope::AnyColumn => "*",
        Scope::Schema | Scope::Table => "",
    };
    let has: Vec<Option<bool>> = sqlx::query_scalar(
        "select case
                  when wanted.of_table = '' then has_schema_privilege(n.oid, wanted.privilege)
                  when wanted.of_column = '' then has_table_privilege(c.oid, wanted.privilege)
                  when wanted.of_column = '*' then has_any_column_privilege(c.oid, wanted.privilege)
                  else has_column_privilege(c.oid, a.attnum, wanted.privilege)
                end
           from unnest($1::text[], $2::text[], $3::text[], $4::text[]) with ordinality
                as wanted(privilege, of_schema, of_table, of_column, place)
           left join pg_namespace n on n.nspname = wanted.of_schema
           left join pg_class c on c.relnamespace = n.oid and c.relname = wanted.of_table
           left join pg_attribute a on a.attrelid = c.oid and a.attname = wanted.of_column and not a.attisdropped
          order by wanted.place",
    )
    .bind(needed.iter().map(|right| right.privilege).collect::<Vec<_>>())
    .bind(needed.iter().map(|right| right.schema).collect::<Vec<_>>())
    .bind(needed.iter().map(|right| right.table).collect::<Vec<_>>())
    .bind(needed.iter().map(column).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    Ok(needed.into_iter().zip(has).filter(|(_, has)| *has == Some(false)).map(|(right, _)| right).collect())
}

async fn connections(connection: &mut PgConnection, needs: &Needs) -> Result<Connections, sqlx::Error> {
    let (most, used, ours, own_limit): (i64, i64, i64, Option<i64>) = sqlx::query_as(
        "select current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
                  - coalesce(current_setting('reserved_connections', true), '0')::bigint,
                (select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()),
                (select count(*) from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()),
                (select min(allowed)::bigint
                   from (select rolconnlimit from pg_roles where rolname = current_user
                         union all select datconnlimit from pg_database where datname = current_database()) limits(allowed)
                  where allowed >= 0)",
    )
    .bind(&needs.application_name)
    .fetch_one(connection)
    .await?;
    Ok(Connections { most, used, ours, own_limit })
}
