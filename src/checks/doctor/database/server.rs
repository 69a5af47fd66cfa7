//! Checks of the server and the session: version, TLS, clock, durability, timeouts, connections.

use std::time::Duration;

use serde::Deserialize;
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::checks::doctor::finding::{Answer, Findings};
use crate::checks::doctor::words::{count, span};
use crate::runtime::wall_clock;

/// PostgreSQL 14, as `server_version_num`.
const LEAST_VERSION: i32 = 140_000;
/// Limits of the difference between the clocks: beyond the first, times look odd; beyond the second, valid events are
/// rejected as future-dated.
const CLOCK_WARNING_MS: u64 = 5_000;
const CLOCK_PROBLEM_MS: u64 = 300_000;
/// How often the clock is read; the fastest answer counts.
const CLOCK_READS: u32 = 3;

#[derive(Debug, Deserialize)]
pub(super) struct Server {
    /// As `server_version_num`.
    pub version: i32,
    pub standby: bool,
    /// The version of TLS, if the connection uses it.
    pub tls: Option<String>,
    pub role: String,
    /// The subject of the client's certificate, if it presented one.
    pub certificate: Option<String>,
    pub superuser: bool,
    pub synchronous_commit: String,
    /// The effective value, ms, in a session that requested the configured one; 0 means none.
    pub statement_timeout: u64,
    /// The role's or the database's limits on a transaction, ms; 0 means none.
    pub idle_in_transaction_session_timeout: u64,
    /// New in PostgreSQL 17.
    pub transaction_timeout: u64,
}

pub(super) async fn read(connection: &mut PgConnection) -> Result<Server, sqlx::Error> {
    // pg_settings has timeouts in milliseconds, in whatever unit they were set.
    let Json(server) = sqlx::query_scalar(
        "select jsonb_build_object(
                  'version', current_setting('server_version_num')::int, 'standby', pg_is_in_recovery(),
                  'tls', (select version from pg_stat_ssl where pid = pg_backend_pid() and ssl),
                  'certificate', (select client_dn from pg_stat_ssl where pid = pg_backend_pid()), 'role', current_user, 'superuser', (select rolsuper from pg_roles where rolname = current_user),
                  'synchronous_commit', current_setting('synchronous_commit'), 'transaction_timeout', 0)
                || (select jsonb_object_agg(name, setting::bigint) from pg_settings
                     where name in ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'))",
    )
    .fetch_one(connection)
    .await?;
    Ok(server)
}

pub(super) fn server(server: &Server, found: &mut Findings) {
    found.begin("version");
    let version = format!("PostgreSQL {}.{}", server.version / 10_000, server.version % 10_000);
    if server.version < LEAST_VERSION {
        found.problem(format!("{version} is too old."), "Use PostgreSQL 14 or newer.");
    }
    found.ok(format!("{version}."));

    found.begin("tls");
    found.ok(match &server.tls {
        Some(version) => format!("the connection is encrypted ({version})."),
        None => "the connection is not encrypted.".to_owned(),
    });

    found.begin("writable");
    if server.standby {
        let finding = "this is a standby: it cannot be written to.";
        found.problem(finding, "Set database.url to the primary.");
    }
    found.ok("it is a primary.");

    found.begin("durability");
    let setting = &server.synchronous_commit;
    found.ok(if setting == "off" {
        "synchronous_commit is off, but not for the service: its own commits wait for the disk (local).".to_owned()
    } else {
        format!("a commit is on disk when it is acknowledged (synchronous_commit={setting}).")
    });
}

/// Whether a timeout of the server ends transactions before the client's deadline.
pub(super) fn timeouts(server: &Server, of_statement: Duration, of_transaction: Duration, found: &mut Findings) {
    found.begin("timeouts");
    let [of_statement, of_transaction] =
        [of_statement, of_transaction].map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    if server.statement_timeout != of_statement {
        let allowed = if server.statement_timeout == 0 {
            "any time".to_owned()
        } else {
            span(server.statement_timeout).to_string()
        };
        found.warning(
            format!(
                "statements may take {allowed} and not {}, which the session requested: a pooler in front of the server \
                 drops the setting.",
                span(of_statement)
            ),
            "With PgBouncer: connect to the server itself, or let it track statement_timeout (track_extra_parameters).",
        );
    }
    for (name, timeout) in [
        ("idle_in_transaction_session_timeout", server.idle_in_transaction_session_timeout),
        ("transaction_timeout", server.transaction_timeout),
    ] {
        if timeout > 0 && timeout < of_transaction {
            let (timeout, ours) = (span(timeout), span(of_transaction));
            found.warning(
                format!("{name} is {timeout}, less than the deadline of a transaction ({ours})."),
                format!("alter role {} set {name} = '{of_transaction}ms';", server.role),
            );
        }
    }
    found.ok("no timeout of the server ends a transaction before its deadline.");
}

/// How far the server's clock is ahead of this machine's, ms, measured in the middle of the round trip, and the
/// uncertainty of that: half the round trip.
pub(super) async fn read_clock(connection: &mut PgConnection) -> Result<(i64, i64), sqlx::Error> {
    let now_ms = || wall_clock::now().0;
    let mut reads = Vec::new();
    for _ in 0..CLOCK_READS {
        let before = now_ms();
        let server: i64 = sqlx::query_scalar("select floor(extract(epoch from clock_timestamp()) * 1000)::bigint")
            .fetch_one(&mut *connection)
            .await?;
        let uncertain_ms = (now_ms() - before) / 2;
        reads.push((server - before - uncertain_ms, uncertain_ms));
    }
    reads.into_iter().min_by_key(|(_, uncertain_ms)| *uncertain_ms).ok_or(sqlx::Error::RowNotFound)
}

/// Whether the clocks agree: revisions take the database's time, events that of brokers and producers.
pub(super) fn clock(clock: Answer<(i64, i64)>, found: &mut Findings) {
    let Some((ahead_ms, uncertain_ms)) = found.begin_with("clock", "The server's clock", clock) else { return };
    // A lower bound: the round trip may explain the rest.
    let apart = ahead_ms.unsigned_abs().saturating_sub(uncertain_ms.unsigned_abs());
    let direction = if ahead_ms > 0 { "ahead of" } else { "behind" };
    let finding = format!("the server's clock is {} {direction} this machine's.", span(apart));
    let remedy = "Synchronise both machines with the same NTP servers: revisions take the server's time, and an event that \
                  a producer dates by another clock may be rejected as future_dated.";
    match apart {
        CLOCK_PROBLEM_MS.. => found.problem(finding, remedy),
        CLOCK_WARNING_MS.. => found.warning(finding, remedy),
        _ => found.ok("the server's clock agrees with this machine's."),
    }
}

/// The maximum number of connections of roles that are not superusers; the connections of all other clients, and among
/// them those of segmenter processes; the lower of the role's and the database's own limit.
pub(super) type Room = (i64, i64, i64, Option<i64>);

pub(super) async fn read_room(connection: &mut PgConnection, application_name: &str) -> Result<Room, sqlx::Error> {
    sqlx::query_as(
        "select current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint
                  - coalesce(current_setting('reserved_connections', true), '0')::bigint,
                (select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()),
                (select count(*) from pg_stat_activity where application_name = $1 and pid <> pg_backend_pid()),
                (select min(allowed)::bigint
                   from (select rolconnlimit from pg_roles where rolname = current_user
                         union all select datconnlimit from pg_database where datname = current_database()) limits(allowed)
                  where allowed >= 0)",
    )
    .bind(application_name)
    .fetch_one(connection)
    .await
}

/// Whether the free connections suffice for one more process.
pub(super) fn room(room: Answer<Room>, role: &str, need: i64, found: &mut Findings) {
    let subject = "The free connections";
    let Some((most, used, ours, own_limit)) = found.begin_with("connections", subject, room) else { return };
    let free = count(u64::try_from(most - used).unwrap_or_default(), "is", "are");
    if most - used < need {
        found.warning(
            format!(
                "of {most} connections {free} free, but a process needs {need} (segmenter processes hold {ours} now)."
            ),
            "Raise max_connections, lower database.connections, or end the sessions that hold them (pg_stat_activity).",
        );
    }
    if let Some(own) = own_limit.filter(|own| *own < need) {
        found.warning(
            format!("the role or the database may have {own} connections, but a process needs {need}."),
            format!("alter role {role} connection limit -1; or lower database.connections."),
        );
    }
    found.ok(format!("of {most} connections {free} free; a process needs {need}."));
}
