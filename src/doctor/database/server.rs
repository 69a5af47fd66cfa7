//! Verdicts on the server and on our session: version, TLS, clock, durability, timeouts, connections.

use std::time::Duration;

use super::{Facts, Needs};
use crate::doctor::finding::{Check, Finding};
use crate::doctor::words::{count, span};

const VERSION: Check = Check::database("version");
const TLS: Check = Check::database("tls");
const WRITABLE: Check = Check::database("writable");
const CLOCK: Check = Check::database("clock");
const DURABILITY: Check = Check::database("durability");
const TIMEOUTS: Check = Check::database("timeouts");
const CONNECTIONS: Check = Check::database("connections");

/// PostgreSQL 14, as `server_version_num` has it.
const LEAST_VERSION: i32 = 140_000;
/// How far apart clocks may be: beyond the first times look odd, beyond the second good events are future-dated.
const CLOCK_WARNING_MS: u64 = 5_000;
const CLOCK_PROBLEM_MS: u64 = 300_000;

pub(super) fn version(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let version = facts.server.version;
    let name = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    vec![if version < LEAST_VERSION {
        VERSION.problem(format!("{name} is too old."), "Use PostgreSQL 14 or newer.")
    } else {
        VERSION.ok(format!("{name}."))
    }]
}

pub(super) fn tls(facts: &Facts, _: &Needs) -> Vec<Finding> {
    vec![TLS.ok(match &facts.server.tls {
        Some(version) => format!("the connection is encrypted ({version})."),
        None => "the connection is not encrypted.".to_owned(),
    })]
}

pub(super) fn writable(facts: &Facts, _: &Needs) -> Vec<Finding> {
    vec![if facts.server.standby {
        WRITABLE.problem("this is a standby: nothing can be written to it.", "Let database.url lead to the primary.")
    } else {
        WRITABLE.ok("it is a primary.")
    }]
}

/// Revisions are the database's time, and events are future-dated by the brokers' and producers'.
pub(super) fn clock(facts: &Facts, _: &Needs) -> Vec<Finding> {
    let clock = match &facts.clock {
        Ok(clock) => clock,
        Err(untold) => return vec![CLOCK.unchecked("The server's clock", untold)],
    };
    // As far apart as they are at least, whatever the round trip hid.
    let apart = clock.ahead_ms.unsigned_abs().saturating_sub(clock.uncertain_ms.unsigned_abs());
    let direction = if clock.ahead_ms > 0 { "ahead of" } else { "behind" };
    let sentence = format!("the server's clock is {} {direction} this machine's.", span(apart));
    let advice = "Let both machines follow the same NTP servers: revisions are the server's time, and what a producer dates \
                  by another clock may be refused as future_dated.";
    vec![match apart {
        CLOCK_PROBLEM_MS.. => CLOCK.problem(sentence, advice),
        CLOCK_WARNING_MS.. => CLOCK.warning(sentence, advice),
        _ => CLOCK.ok("the server's clock agrees with this machine's."),
    }]
}

pub(super) fn durability(facts: &Facts, _: &Needs) -> Vec<Finding> {
    vec![if facts.server.synchronous_commit == "off" {
        DURABILITY.warning(
            "synchronous_commit is off: a crash of the server can lose changes whose events are committed in Kafka.",
            format!("alter role {} set synchronous_commit = on;", facts.server.role),
        )
    } else {
        DURABILITY.ok(format!(
            "a commit is on disk when it is acknowledged (synchronous_commit={}).",
            facts.server.synchronous_commit
        ))
    }]
}

/// Whether anything ends our transactions before we do.
pub(super) fn timeouts(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let server = &facts.server;
    let mut findings = Vec::new();
    if server.statement_timeout != needs.statement_timeout {
        findings.push(TIMEOUTS.warning(
            format!(
                "statements may take {} and not {}, as we ask when we connect: something between us and the server drops that.",
                limit(server.statement_timeout),
                limit(needs.statement_timeout)
            ),
            "If it is PgBouncer, connect to the server itself, or let it track statement_timeout (track_extra_parameters).",
        ));
    }
    let of_server = [
        ("idle_in_transaction_session_timeout", server.idle_in_transaction_timeout),
        ("transaction_timeout", server.transaction_timeout),
    ];
    for (name, timeout) in of_server {
        if !timeout.is_zero() && timeout < needs.transaction_deadline {
            findings.push(TIMEOUTS.warning(
                format!(
                    "{name} is {}, less than a transaction of ours may take ({}).",
                    limit(timeout),
                    limit(needs.transaction_deadline)
                ),
                format!("alter role {} set {name} = '{}ms';", server.role, needs.transaction_deadline.as_millis()),
            ));
        }
    }
    if findings.is_empty() {
        findings.push(TIMEOUTS.ok("nothing ends our transactions before we do."));
    }
    findings
}

fn limit(timeout: Duration) -> String {
    if timeout.is_zero() { "any time".to_owned() } else { span(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)) }
}

/// Whether there is room for one more process.
pub(super) fn connections(facts: &Facts, needs: &Needs) -> Vec<Finding> {
    let found = match &facts.connections {
        Ok(found) => found,
        Err(untold) => return vec![CONNECTIONS.unchecked("The room for connections", untold)],
    };
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let (free, need) = (found.most - found.used, needs.connections);
    let mut findings = Vec::new();
    if free < need {
        findings.push(CONNECTIONS.warning(
            format!(
                "of {} connections {} free, and a process needs {need} (processes of ours hold {} now).",
                number(found.most),
                count(number(free), "is", "are"),
                number(found.ours)
            ),
            "Raise max_connections, lower database.connections, or end what holds them (pg_stat_activity).",
        ));
    }
    if let Some(own) = found.own_limit.filter(|own| *own < need) {
        findings.push(CONNECTIONS.warning(
            format!("the role or the database may have {own} connections, and a process needs {need}."),
            format!("alter role {} connection limit -1; or lower database.connections.", facts.server.role),
        ));
    }
    if findings.is_empty() {
        findings.push(CONNECTIONS.ok(format!(
            "of {} connections {} free; a process needs {need}.",
            found.most,
            count(number(free), "is", "are")
        )));
    }
    findings
}
