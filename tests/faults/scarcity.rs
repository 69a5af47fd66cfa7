//! A database that is slow, unavailable for long, or out of disk space.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Postgres, Proxy, Segmenter, eventually, http_get};
use crate::world::migrate;

/// The peak memory of the process, in MiB.
fn peak_memory(process: &Segmenter) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// A scene on a server of its own.
async fn scene_on(postgres: &Postgres) -> Scene {
    let mut scene = Scene::new(1).await;
    scene.database = postgres.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene
}

/// Processes more records than may be in flight against a database with this latency; returns the process and the scene.
async fn assert_memory_is_bounded_at(latency: Duration, events: u64) -> (Segmenter, Scene) {
    let scene = Scene::new(1).await;
    scene.add_users(200).await;
    let proxy = Proxy::to(scene.database.url());
    let process = scene.serve_with(&[
        ("DATABASE_URL", proxy.url()),
        ("SEGMENTER_IN_FLIGHT_MAX_RECORDS", "200"),
        ("SEGMENTER_BATCH_MAX_RECORDS", "100"),
    ]);
    process.wait_for_log("partitions assigned").await;
    proxy.set_latency(latency);
    scene.produce(&history(200, events, 111)).await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    assert!(peak_memory(&process) < 128, "{} MiB at {latency:?}", peak_memory(&process));
    (process, scene)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_at_500_ms_latency_slows_intake_and_memory_stays_bounded() {
    let (process, _scene) = assert_memory_is_bounded_at(Duration::from_millis(500), 700).await;
    assert!(process.log().iter().any(|line| line.contains("intake paused")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_at_100_ms_latency_loses_nothing_and_memory_stays_bounded() {
    assert_memory_is_bounded_at(Duration::from_millis(100), 2_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_at_5_ms_latency_loses_nothing_and_memory_stays_bounded() {
    assert_memory_is_bounded_at(Duration::from_millis(5), 5_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_max_poll_interval_does_not_cost_the_member_its_partitions() {
    let postgres = Postgres::dedicated().await;
    let scene = scene_on(&postgres).await;
    scene.add_users(100).await;
    let process = scene.serve_with(&[
        ("SEGMENTER_KAFKA_MAX_POLL_INTERVAL", "10s"),
        ("SEGMENTER_KAFKA_DRAIN_DEADLINE", "5s"),
        ("SEGMENTER_IN_FLIGHT_MAX_RECORDS", "100"),
        ("SEGMENTER_BATCH_MAX_RECORDS", "100"),
    ]);
    process.wait_for_log("partitions started").await;
    tokio::task::block_in_place(|| postgres.stop_immediate());
    let stopped = Instant::now();
    scene.produce(&history(100, 400, 121)).await;
    process.wait_for_log("intake paused").await;
    eventually(DEADLINE, "the max poll interval is over", || async { stopped.elapsed() > Duration::from_secs(12) })
        .await;
    assert_eq!(http_get(process.http_address().await, "/health/live").await.status, 200);
    tokio::task::block_in_place(|| postgres.start());
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    let log = process.log();
    let count = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("partitions assigned"), count("partitions lost"), count("partitions revoked")), (1, 0, 0));
}

/// A small file system in memory. Mounting it needs root.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn new(megabytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0777"), "tmpfs", text(folder.path())]);
        // The server runs as another user and needs access to the folder.
        run("chmod", &["a+rx", text(folder.path())]);
        let disk = Self { folder };
        run("mkdir", &["-m", "700", text(&disk.tablespace())]);
        run("chown", &["postgres", text(&disk.tablespace())]);
        disk
    }

    fn tablespace(&self) -> std::path::PathBuf {
        self.folder.path().join("tablespace")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", text(self.folder.path())]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?} failed; it needs root");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_out_and_memory_stays_bounded() {
    let disk = SmallDisk::new(16);
    let postgres = Postgres::dedicated().await;
    let scene = scene_on(&postgres).await;
    scene.add_users(200).await;
    scene.database.run(format!("create tablespace small location '{}'", text(&disk.tablespace()))).await;
    for table in ["segmenter.profile_states", "segmenter.outbox", "user_vectors"] {
        scene.database.run(format!("alter table {table} set tablespace small")).await;
    }
    scene.database.run("create table filler (content text) tablespace small").await;
    let fill = "insert into filler select repeat(md5(random()::text), 50) from generate_series(1, 200)";
    let full = loop {
        if let Err(error) = sqlx::query(fill).execute(scene.database.pool()).await {
            break error;
        }
    };
    assert_eq!(full.as_database_error().unwrap().code().as_deref(), Some("53100"));
    let process =
        scene.serve_with(&[("SEGMENTER_IN_FLIGHT_MAX_RECORDS", "200"), ("SEGMENTER_BATCH_MAX_RECORDS", "100")]);
    scene.produce(&history(200, 1_000, 131)).await;
    process.wait_for_log("the database does not take writes").await;
    process.wait_for_log("intake paused").await;
    assert_eq!(http_get(process.http_address().await, "/health/live").await.status, 200);
    scene.database.run("drop table filler").await;
    scene.settled().await;
    scene.assert_right().await;
    assert!(scene.dead_letters().await.is_empty());
    assert!(peak_memory(&process) < 128, "{} MiB", peak_memory(&process));
}
