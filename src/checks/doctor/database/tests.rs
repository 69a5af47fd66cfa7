//! The findings on PostgreSQL, from made-up answers.

use super::data::{catalog, outbox, rows};
use super::rights::{Right, needed, rights};
use super::schema::{Index, columns, indexes, migrations, triggers, users};
use super::server::{Server, clock, room, timeouts};
use super::*;
use crate::migrate::SEGMENT_COLUMNS;

/// All findings that are not ok: `status check: finding`.
fn found(check: impl FnOnce(&mut Findings)) -> Vec<String> {
    let mut found = Findings::of("database");
    check(&mut found);
    found.noteworthy()
}

fn assert_ok(check: impl FnOnce(&mut Findings)) {
    assert_eq!(found(check), Vec::<String>::new());
}

/// Asserts one finding, which starts with `beginning`.
fn assert_found(check: impl FnOnce(&mut Findings), beginning: &str) {
    let found = found(check);
    assert!(found.len() == 1 && found[0].starts_with(beginning), "{found:#?}");
}

fn healthy() -> Server {
    Server {
        version: 150_004,
        standby: false,
        tls: Some("TLSv1.3".to_owned()),
        role: "service".to_owned(),
        certificate: None,
        superuser: false,
        synchronous_commit: "on".to_owned(),
        statement_timeout: 30_000,
        idle_in_transaction_session_timeout: 0,
        transaction_timeout: 0,
    }
}

#[test]
fn the_server_is_checked_for_version_standby_durability_timeouts_and_role() {
    let judge = |server: &Server, found: &mut Findings| {
        server::server(server, found);
        timeouts(server, Duration::from_secs(30), Duration::from_secs(45), found);
        rights(Ok(Vec::new()), server, found);
    };
    assert_ok(|found| judge(&healthy(), found));
    assert_ok(|found| judge(&Server { transaction_timeout: 60_000, ..healthy() }, found));
    assert_ok(|found| judge(&Server { synchronous_commit: "off".to_owned(), ..healthy() }, found));
    let idle = "warning timeouts: idle_in_transaction_session_timeout is 5s, less than";
    for (server, beginning) in [
        (Server { version: 130_011, ..healthy() }, "problem version: PostgreSQL 13.11 is too old."),
        (Server { standby: true, ..healthy() }, "problem writable: this is a standby"),
        (Server { idle_in_transaction_session_timeout: 5_000, ..healthy() }, idle),
        (Server { statement_timeout: 0, ..healthy() }, "warning timeouts: statements may take any time and not 30s"),
        (Server { superuser: true, ..healthy() }, "warning superuser: role service"),
    ] {
        assert_found(|found| judge(&server, found), beginning);
    }
}

#[test]
fn the_clock_check_allows_for_the_round_trip() {
    let off = |ahead_ms, uncertain_ms| move |found: &mut Findings| clock(Ok((ahead_ms, uncertain_ms)), found);
    // The round trip may explain the difference.
    assert_ok(off(9_000, 4_500));
    assert_found(off(6_000, 5), "warning clock: the server's clock is 5s 995ms ahead of");
    assert_found(off(-300_010, 5), "problem clock: the server's clock is 5m 5ms behind");
}

#[test]
fn too_few_connections_are_warned_of() {
    let with =
        |used, ours, own_limit| move |found: &mut Findings| room(Ok((97, used, ours, own_limit)), "service", 6, found);
    assert_ok(with(40, 0, None));
    assert_found(with(93, 6, None), "warning connections: of 97 connections 4 are free, but a process needs 6");
    assert_found(with(1, 0, Some(5)), "warning connections: the role or the database may have 5");
}

#[test]
fn a_schema_that_serve_would_refuse_is_a_problem() {
    assert_ok(|found| migrations(Ok(SchemaStatus::Current), found));
    assert_found(|found| migrations(Ok(SchemaStatus::Missing), found), "problem migrations: the schema is missing");
    let modified = SchemaStatus::Modified { versions: vec![2] };
    assert_found(|found| migrations(Ok(modified), found), "problem migrations: ");

    let right = SEGMENT_COLUMNS.map(|(name, of_type)| (name, Some(of_type.to_owned())));
    let (mut retyped, mut fewer) = (right.clone(), right.clone());
    retyped[0].1 = Some("json".to_owned());
    fewer[3].1 = None;
    assert_ok(|found| columns(Ok(right), found));
    let beginning = "problem columns: in public.user_vectors segments is json and not jsonb";
    assert_found(|found| columns(Ok(retyped), found), beginning);
    assert_found(|found| columns(Ok(fewer), found), "problem columns: public.user_vectors has no lastSegmentUpdate");
}

#[test]
fn an_invalid_a_missing_and_a_superfluous_index_are_found() {
    let index = |name: &str, on_primary_segment, valid, repeats: Option<&str>| Index {
        name: name.to_owned(),
        of_vectors: true,
        valid,
        repeats: repeats.map(str::to_owned),
        on_primary_segment,
    };
    let judge = |on_table: Vec<Index>| move |found: &mut Findings| indexes(Ok(on_table), true, found);
    let (ours, key) = (index("ours", true, true, None), index("key", false, true, None));
    assert_ok(judge(vec![ours.clone(), key.clone()]));
    assert_found(judge(vec![index("ours", true, false, None), key.clone()]), "problem indexes: ours is invalid");
    assert_found(judge(vec![key.clone()]), "problem indexes: public.user_vectors has no index on \"primarySegment\"");
    let repeating = index("again", false, true, Some("key"));
    assert_found(
        judge(vec![ours, key, repeating]),
        "warning superfluous index: again only repeats the unique index key",
    );
    assert_ok(|found| indexes(Ok(Vec::new()), false, found));
}

#[test]
fn triggers_must_be_enabled_and_states_deleted_with_their_users() {
    let judge = |on_states: &[(&str, bool)]| {
        let on_states = on_states.iter().map(|(name, fires)| ((*name).to_owned(), *fires)).collect();
        move |found: &mut Findings| triggers(Ok(on_states), true, found)
    };
    assert_ok(judge(&[("remember_deleted_user", true), ("rename_user", true)]));
    let disabled = judge(&[("remember_deleted_user", true), ("rename_user", false)]);
    assert_found(disabled, "problem triggers: the trigger rename_user on segmenter.profile_states is disabled");
    assert_found(judge(&[("rename_user", true)]), "problem triggers: the trigger remember_deleted_user");
    let follow = |states_follow_users| {
        move |found: &mut Findings| users(Ok(Platform { has_users: true, states_follow_users }), true, found)
    };
    assert_ok(follow(true));
    assert_found(follow(false), "warning users: public.users exists, but deleting a user");
}

#[test]
fn every_right_of_the_documented_grants_is_needed_and_a_missing_one_is_named() {
    let needed = needed();
    let right = |privilege, object, column| Right { privilege, object, column };
    let missing = right("update", "public.user_vectors", "segments");
    for right in [
        missing,
        right("select", "public.users", "id"),
        right("update", "public.users", "updatedAt"),
        right("delete", "public.user_vectors", ""),
        right("usage", "schema segmenter", ""),
        right("delete", "segmenter.outbox", ""),
    ] {
        assert!(needed.contains(&right), "{right}: {needed:#?}");
    }
    let lacking = |found: &mut Findings| rights(Ok(vec![missing]), &healthy(), found);
    assert_found(lacking, "problem rights: role service lacks update (\"segments\") on public.user_vectors.");
}

#[test]
fn old_outbox_rows_missing_rows_and_a_newer_catalog_are_found() {
    let waiting =
        |rows, seconds| move |found: &mut Findings| outbox(Ok((rows, Duration::from_secs(seconds))), 10_000, found);
    assert_ok(waiting(3, 1));
    assert_found(waiting(1, 600), "warning outbox: 1 row waits to be published, the oldest for 10m.");
    let full = "warning outbox: 10000 rows wait to be published, the oldest for 9s; intake has stopped";
    assert_found(waiting(10_000, 9), full);
    assert_ok(|found| rows(Ok(0), found));
    assert_found(|found| rows(Ok(2), found), "warning rows: 2 users have");
    assert_ok(|found| catalog(Ok(1), 1, found));
    assert_found(|found| catalog(Ok(2), 1, found), "problem catalog: users are scored with catalog 2");
    let denied = |found: &mut Findings| outbox(Err(Unknown::denied("permission denied for table outbox")), 9, found);
    assert_found(denied, "unchecked outbox: The outbox could not be checked");
}
