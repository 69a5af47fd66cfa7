//! The progress bar of a running job.

use super::{column, items};
use crate::scene::Scene;
use crate::support::{frames, on_a_terminal};
use crate::world::table;

const USERS: u32 = 20_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_many_users_shows_rate_and_time_left_on_a_terminal() {
    let scene = Scene::new(1).await;
    scene.add_profiles(USERS).await;
    let id = uuid::Uuid::new_v4();
    let name = id.to_string();
    let arguments = ["backfill", "--execute", "--id", &name];
    let ran = on_a_terminal(&arguments, &scene.environment()).await;
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{shown}");
    assert_eq!(items(&scene, id).await, i64::from(USERS));
    assert_eq!(table(scene.database.pool()).await.len(), USERS as usize);
    assert_eq!(column(&scene, id, "phase").await.as_deref(), Some("done"));
    let frames = frames(&shown, "backfill");
    assert!(frames.len() > 5, "the bar is redrawn: {shown}");
    let is_running = |frame: &&&str| frame.contains(" left") && frame.contains("/s  ") && !frame.contains(" 100 %");
    assert!(frames.iter().any(|frame| is_running(&frame)), "rate, share and time left: {shown}");
    assert!(shown.contains("vectors without profile") && shown.contains("success rate"), "{shown}");
}
