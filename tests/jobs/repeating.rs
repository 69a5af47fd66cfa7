//! `segmenter republish`: as a dry run, for a list of users, and after a kill.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{begin, changes, items, member, run, run_json, versions};
use crate::scene::{DEADLINE, Scene};
use crate::support::{OwnedRecord, eventually};
use crate::world::table;

const BACKFILL: [&str; 2] = ["backfill", "--execute"];

async fn filled(users: u32, more: &[&str]) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_profiles(users).await;
    let finished = run(&scene, &[&BACKFILL[..], more].concat()).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    scene
}

type Content = (Option<Vec<u8>>, Vec<(String, String)>);

/// The last record of each user: value and headers.
fn last(records: &[OwnedRecord]) -> BTreeMap<String, Content> {
    let content = |record: &OwnedRecord| {
        let headers = ["segmenter.revision", "ce_id", "ce_type", "ce_source"];
        let headers = headers.iter().filter_map(|name| Some(((*name).to_owned(), record.header(name)?.to_owned())));
        (record.value.clone(), headers.collect())
    };
    records.iter().map(|record| (record.key_text().to_owned(), content(record))).collect()
}

#[tokio::test]
async fn every_user_is_published_again_byte_for_byte_and_erased_users_as_a_tombstone() {
    let scene = filled(30, &[]).await;
    assert_eq!(run(&scene, &["user", "erase", "user-1", "--execute"]).await.code, Some(0));
    let first = changes(&scene).await;
    let untouched = versions(&scene).await;
    let (code, lines) = run_json(&scene, &["republish", "--all"]).await;
    let counts = &member(&lines, "dryRun")["counts"];
    assert_eq!((code, counts["applied"].as_u64()), (Some(0), Some(last(&first).len() as u64)));
    assert_eq!((versions(&scene).await, changes(&scene).await.len()), (untouched, first.len()), "a dry run");

    let states = "select string_agg(s::text, ' ' order by user_id) from segmenter.profile_states s";
    let before: String = sqlx::query_scalar(states).fetch_one(scene.database.pool()).await.unwrap();
    let (code, lines) = run_json(&scene, &["republish", "--all", "--execute"]).await;
    assert_eq!((code, &member(&lines, "end")["counts"]["applied"]), (Some(0), &counts["applied"]));
    let all = changes(&scene).await;
    let again = all.get(first.len()..).unwrap();
    assert_eq!(again.len(), last(&first).len(), "each user once");
    // The topic has two partitions, so the records are compared by user, not by place.
    let mut seen = last(&first);
    let repeated = last(&all);
    assert_eq!(seen, repeated);
    assert_eq!(seen.remove("user-1").unwrap().0, None);
    let after: String = sqlx::query_scalar(states).fetch_one(scene.database.pool()).await.unwrap();
    assert_eq!(before, after, "no state changes");
    scene.assert_changes_form_chains().await;
}

#[tokio::test]
async fn one_segment_or_a_list_of_users_can_be_published_again() {
    let scene = filled(30, &[]).await;
    let rows = table(scene.database.pool()).await;
    let segment = rows["user-1"].primary_segment.clone().unwrap();
    let of_it = rows.values().filter(|row| row.primary_segment.as_ref() == Some(&segment)).count();
    let first = changes(&scene).await.len();
    assert_eq!(run(&scene, &["republish", "--segment", &segment, "--execute"]).await.code, Some(0));
    let second = changes(&scene).await.len();
    assert_eq!(second - first, of_it);
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), "user-1\nunknown-user\n").unwrap();
    let (code, lines) =
        run_json(&scene, &["republish", "--users-file", list.path().to_str().unwrap(), "--execute"]).await;
    let counts = &member(&lines, "end")["counts"];
    assert_eq!((code, &counts["applied"], &counts["skipped"]), (Some(0), &1.into(), &1.into()));
    assert_eq!(changes(&scene).await.len() - second, 1);
    let finished = run(&scene, &["republish", "--execute"]).await;
    assert_eq!(finished.code, Some(2), "the users must be selected: {}", finished.log);
}

#[tokio::test]
async fn a_republish_killed_in_the_middle_is_resumed_and_omits_no_user() {
    let mut scene = filled(600, &[]).await;
    let published = last(&changes(&scene).await);
    scene.changes = scene.kafka.create_topic("changes", 2, &[]).await;
    let id = Uuid::new_v4();
    let name = id.to_string();
    let mut job = begin(&scene, &["republish", "--all", "--execute", "--rate", "150", "--id", &name]);
    eventually(DEADLINE, "some progress", || async { items(&scene, id).await > 60 }).await;
    job.kill();
    job.wait(DEADLINE).await;
    assert!(items(&scene, id).await < 600);
    // The rows that the killed process had leased.
    scene.expire_leases().await;
    let (code, lines) = run_json(&scene, &["job", "resume", "--take-over", &name]).await;
    assert_eq!((code, &member(&lines, "end")["counts"]["items"]), (Some(0), &600.into()));
    scene.expire_leases().await;
    let mut live = scene.serve();
    eventually(DEADLINE, "all is published", || async { scene.outbox().await == 0 }).await;
    live.terminate();
    live.wait(DEADLINE).await;
    assert_eq!(last(&changes(&scene).await), published);
}
