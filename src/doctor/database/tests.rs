//! The verdicts on PostgreSQL, over facts made up.

use super::rights::Scope;
use super::*;
use crate::doctor::finding::{Untold, Verdict};

const NOTHING: [String; 0] = [];

fn needs() -> Needs {
    Needs {
        connections: 6,
        application_name: "segmenter".to_owned(),
        statement_timeout: Duration::from_secs(30),
        transaction_deadline: Duration::from_secs(45),
        max_outbox_rows: 10_000,
        catalog_version: Some(1),
    }
}

fn index(name: &str, on_primary_segment: bool) -> Index {
    Index {
        name: format!("public.\"{name}\""),
        table: "user_vectors".to_owned(),
        valid: true,
        repeats: None,
        on_primary_segment,
    }
}

fn healthy() -> Facts {
    let columns = crate::store::migrate::SEGMENT_COLUMNS;
    Facts {
        server: Server {
            version: 150_004,
            standby: false,
            tls: Some("TLSv1.3".to_owned()),
            role: "service".to_owned(),
            superuser: false,
            synchronous_commit: "on".to_owned(),
            statement_timeout: Duration::from_secs(30),
            idle_in_transaction_timeout: Duration::ZERO,
            transaction_timeout: Duration::ZERO,
        },
        clock: Ok(Clock { ahead_ms: -40, uncertain_ms: 2 }),
        schema: Ok(SchemaStatus::Current),
        columns: Ok(columns.map(|(name, of_type)| (name.to_owned(), of_type.to_owned())).to_vec()),
        indexes: Ok(vec![index("user_vectors_primarySegment_idx", true), index("user_vectors_userId_key", false)]),
        triggers: Ok(vec![("remember_departed".to_owned(), true), ("rename_user".to_owned(), true)]),
        platform: Ok(Platform { has_users: true, states_follow_users: true }),
        missing_rights: Ok(Vec::new()),
        connections: Ok(Connections { most: 97, used: 40, ours: 0, own_limit: None }),
        outbox: Ok(Outbox { rows: 3, oldest: Duration::from_secs(1) }),
        newest_catalog: Ok(1),
        states_without_rows: Ok(0),
    }
}

/// What is found besides what is ok, once `change` has been made to what is healthy: `verdict check: sentence`.
fn found(change: impl FnOnce(&mut Facts)) -> Vec<String> {
    let mut facts = healthy();
    change(&mut facts);
    let findings = judge(&Ok(facts), &needs());
    let noteworthy = findings.iter().filter(|finding| finding.verdict != Verdict::Ok);
    noteworthy.map(|finding| format!("{} {}: {}", finding.verdict.as_str(), finding.check, finding.sentence)).collect()
}

/// One finding that begins so.
fn assert_found(change: impl FnOnce(&mut Facts), beginning: &str) {
    let found = found(change);
    assert!(found.len() == 1 && found[0].starts_with(beginning), "{found:#?}");
}

#[test]
fn a_healthy_database_is_all_ok() {
    assert_eq!(found(|_| {}), NOTHING);
    assert_eq!(judge(&Ok(healthy()), &needs()).len(), 17);
}

#[test]
fn a_server_that_is_too_old_or_a_standby_is_a_problem() {
    assert_found(|facts| facts.server.version = 130_011, "problem version: PostgreSQL 13.11 is too old.");
    assert_found(|facts| facts.server.standby = true, "problem writable: this is a standby");
}

#[test]
fn a_clock_is_judged_by_how_far_it_is_off_at_least() {
    let off = |ahead_ms, uncertain_ms| move |facts: &mut Facts| facts.clock = Ok(Clock { ahead_ms, uncertain_ms });
    assert_eq!(found(off(9_000, 4_500)), NOTHING, "the round trip may explain it");
    assert_found(off(6_000, 5), "warning clock: the server's clock is 5 seconds ahead of");
    assert_found(off(-300_010, 5), "problem clock: the server's clock is 300 seconds behind");
}

#[test]
fn what_loses_commits_or_ends_transactions_early_is_warned_of() {
    assert_found(
        |facts| facts.server.synchronous_commit = "off".to_owned(),
        "warning durability: synchronous_commit is off",
    );
    let idle = |facts: &mut Facts| facts.server.idle_in_transaction_timeout = Duration::from_secs(5);
    assert_found(idle, "warning timeouts: idle_in_transaction_session_timeout is 5 seconds, less than");
    let patient = |facts: &mut Facts| facts.server.transaction_timeout = Duration::from_secs(60);
    assert_eq!(found(patient), NOTHING);
    let dropped = |facts: &mut Facts| facts.server.statement_timeout = Duration::ZERO;
    assert_found(dropped, "warning timeouts: statements may take any time and not 30 seconds");
}

#[test]
fn too_few_connections_are_warned_of() {
    let full = |facts: &mut Facts| facts.connections = Ok(Connections { most: 97, used: 93, ours: 6, own_limit: None });
    assert_found(full, "warning connections: of 97 connections 4 are free, and a process needs 6");
    let limited =
        |facts: &mut Facts| facts.connections = Ok(Connections { most: 97, used: 1, ours: 0, own_limit: Some(5) });
    assert_found(limited, "warning connections: the role or the database may have 5");
}

#[test]
fn a_schema_that_serve_would_refuse_is_a_problem_once() {
    let fresh = |facts: &mut Facts| {
        facts.schema = Ok(SchemaStatus::Missing);
        facts.triggers = Ok(Vec::new());
        facts.outbox = Err(Untold::failed("relation \"segmenter.outbox\" does not exist"));
        facts.newest_catalog = facts.outbox.clone().map(|_| 0);
        facts.states_without_rows = facts.outbox.clone().map(|_| 0);
    };
    assert_found(fresh, "problem migrations: the schema is missing");
    assert_found(|facts| facts.schema = Ok(SchemaStatus::Modified { versions: vec![2] }), "problem migrations: ");
    let retyped = |facts: &mut Facts| facts.columns.as_mut().unwrap()[0].1 = "json".to_owned();
    assert_found(retyped, "problem columns: in public.user_vectors segments is json and not jsonb");
}

#[test]
fn indexes_are_valid_needed_and_there() {
    let invalid = |facts: &mut Facts| facts.indexes.as_mut().unwrap()[0].valid = false;
    assert_found(invalid, "problem indexes: public.\"user_vectors_primarySegment_idx\" is invalid");
    let dropped = |facts: &mut Facts| drop(facts.indexes.as_mut().unwrap().remove(0));
    assert_found(dropped, "problem indexes: public.user_vectors has no index on \"primarySegment\"");
    let repeating = |facts: &mut Facts| {
        let repeats = Some("public.\"user_vectors_userId_key\"".to_owned());
        facts.indexes.as_mut().unwrap().push(Index { repeats, ..index("user_vectors_userId_idx", false) });
    };
    assert_found(repeating, "warning superfluous index: public.\"user_vectors_userId_idx\" only repeats");
}

#[test]
fn triggers_must_be_there_and_fire() {
    assert_found(|facts| facts.triggers.as_mut().unwrap()[1].1 = false, "problem triggers: the trigger rename_user");
    assert_found(
        |facts| drop(facts.triggers.as_mut().unwrap().remove(0)),
        "problem triggers: the trigger remember_departed",
    );
    let late = |facts: &mut Facts| facts.platform = Ok(Platform { has_users: true, states_follow_users: false });
    assert_found(late, "warning users: public.users exists, and states do not go");
}

#[test]
fn a_missing_right_is_named_and_too_many_are_warned_of() {
    let right =
        Right { privilege: "UPDATE", schema: "public", table: "user_vectors", scope: Scope::Column("segments") };
    let lacking = |facts: &mut Facts| facts.missing_rights = Ok(vec![right]);
    assert_found(lacking, "problem rights: role service lacks UPDATE (\"segments\") on public.user_vectors.");
    assert_found(|facts| facts.server.superuser = true, "warning superuser: role service");
}

#[test]
fn what_waits_for_long_what_lost_its_row_and_what_a_newer_catalog_scored_are_found() {
    let old = |facts: &mut Facts| facts.outbox = Ok(Outbox { rows: 1, oldest: Duration::from_secs(600) });
    assert_found(old, "warning outbox: 1 row waits to be said, the oldest for 10 minutes.");
    let deep = |facts: &mut Facts| facts.outbox = Ok(Outbox { rows: 10_000, oldest: Duration::from_secs(9) });
    assert_found(deep, "warning outbox: 10,000 rows wait to be said, the oldest for 9 seconds; no more events");
    assert_found(|facts| facts.states_without_rows = Ok(2), "warning rows: 2 users have");
    assert_found(|facts| facts.newest_catalog = Ok(2), "problem catalog: users are scored with catalog 2");
}

#[test]
fn what_the_role_may_not_read_is_unchecked() {
    let denied = |facts: &mut Facts| facts.outbox = Err(Untold::denied("permission denied for table outbox"));
    assert_found(denied, "could_not_check outbox: What waits to be said could not be checked");
}
