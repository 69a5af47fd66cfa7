//! The read API: its documentation runs, and users' data need a token or the explicit switch.

use std::process::Command;

use serde_json::json;

use crate::scene::{DEADLINE, Numbers, Scene, onboarding_event, record, update_event};
use crate::support::{Record, http, http_get, segmenter};
use crate::world::table;

const DOCS: &str = include_str!("../docs/api.md");

/// The shell blocks of a page.
fn shell_blocks(page: &str) -> Vec<&str> {
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_curl_line_of_the_documentation_runs() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    scene.kafka.produce(&scene.onboarding, record("user-0", &onboarding_event("user-0", 1, &mut Numbers(1)))).await;
    let process = scene.serve_with(&[("SEGMENTER_HTTP_TOKEN", "the-token")]);
    scene.settled().await;
    let base = format!("http://{}", process.http_address().await);
    let blocks = shell_blocks(DOCS);
    assert!(blocks.len() >= 5);
    for block in blocks {
        let run = Command::new("bash")
            .args(["-euo", "pipefail", "-c", block])
            .env("BASE", &base)
            .env("TOKEN", "the-token")
            .output()
            .unwrap();
        assert!(run.status.success(), "{block}{}", String::from_utf8_lossy(&run.stdout));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_page_shows_the_assignments_their_reasons_the_profile_and_the_last_published_change() {
    let scene = Scene::new(1).await;
    scene.add_users(1).await;
    let mut numbers = Numbers(3);
    let onboarding = onboarding_event("user-0", 1, &mut numbers);
    let update = update_event("user-0", 2, &mut numbers);
    scene.kafka.produce(&scene.onboarding, record("user-0", &onboarding)).await;
    scene.kafka.produce(&scene.updates, record("user-0", &update)).await;
    let process = scene.serve_with(&[("SEGMENTER_HTTP_ALLOW_ANONYMOUS", "true")]);
    scene.settled().await;
    let address = process.http_address().await;
    let page = http_get(address, "/v1/users/user-0/segments").await.json();
    let row = &table(scene.database.pool()).await["user-0"];
    assert_eq!(page["segments"][0]["segment"].as_str(), row.primary_segment.as_deref());
    assert_eq!(page["segments"][0]["score"].as_f64(), row.confidence);
    assert_eq!(page["vector"], row.vector);
    assert_eq!(page["onboardedAt"], onboarding["timestamp"]);
    let demographics = page["sections"].as_array().unwrap().iter().find(|section| section["section"] == "demographics");
    assert_eq!(demographics.unwrap()["eventId"], update["eventId"]);
    let last = scene.kafka.read_all(&scene.changes).await.pop().unwrap().json();
    assert_eq!(
        (&page["lastPublished"]["eventId"], &page["lastPublished"]["revision"]),
        (&last["eventId"], &last["payload"]["revision"])
    );
    let environment = [("DATABASE_URL", scene.database.url())];
    let explained = segmenter(&["user", "explain", "user-0"], &environment).finish(DEADLINE).await;
    let first = row.primary_segment.clone().unwrap();
    assert!(explained.code == Some(0) && explained.stdout.contains(&first), "{explained:?}");
    let unknown = segmenter(&["user", "explain", "unknown-user"], &environment).finish(DEADLINE).await;
    assert_eq!(unknown.code, Some(1));
    scene.kafka.produce(&scene.updates, Record::tombstone("user-0")).await;
    scene.settled().await;
    let page = http_get(address, "/v1/users/user-0/segments").await.json();
    assert_eq!(
        (&page["segments"], &page["lastPublished"]["segments"], &page["onboardedAt"]),
        (&json!([]), &json!(null), &json!(null))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_data_cannot_be_read_without_a_token_or_the_explicit_switch() {
    let scene = Scene::new(1).await;
    let closed = scene.serve();
    let address = closed.http_address().await;
    assert_eq!(http_get(address, "/v1/users/user-0/segments").await.status, 403);
    let guarded = scene.serve_with(&[("SEGMENTER_HTTP_TOKEN", "secret-token")]);
    let address = guarded.http_address().await;
    for token in ["", "Bearer", "Bearer ", "Bearer other", "Basic secret-token", "secret-token"] {
        let answer = http(address, "GET", "/v1/users/user-0/segments", &[("authorization", token)]).await.unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (401, Some("application/problem+json")));
    }
    let bad =
        http(address, "GET", "/v1/users/%00/segments", &[("authorization", "Bearer secret-token")]).await.unwrap();
    assert_ne!(bad.status, 500);
    assert!(!guarded.log().join("").contains("secret-token"));
}
