//! The clock of the process jumps.

use std::fs;
use std::path::PathBuf;

use crate::scene::{Scene, history};

/// The library that shows a process another time; the tests' setup installs it.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("a system").flatten().map(|folder| folder.path().join("faketime"));
    let found = folders.map(|folder| folder.join("libfaketimeMT.so.1")).find(|library| library.exists());
    found.expect("libfaketime is installed: run scripts/setup")
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_of_the_clock_by_an_hour_in_both_directions_change_nothing() {
    let scene = Scene::new(1).await;
    scene.add_users(50).await;
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    fs::write(&offset, "+0").unwrap();
    let library = faketime();
    let mut process = scene.serve_with(&[
        ("LD_PRELOAD", library.to_str().unwrap()),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]);
    process.wait_for_log("partitions assigned").await;
    for (jump, seed) in [("+1h", 101), ("-1h", 102), ("+0", 103)] {
        fs::write(&offset, jump).unwrap();
        scene.produce(&history(50, 150, seed)).await;
        scene.settled().await;
    }
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    assert!(process.is_running());
    let clock = |line: &String| line.split('"').nth(3).map(|time| time[..13].to_owned());
    let hours: std::collections::BTreeSet<String> = process.log().iter().filter_map(clock).collect();
    assert!(!hours.is_empty());
}
