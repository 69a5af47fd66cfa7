//! `make demo`: its report adds up, it can be piped, and it leaves nothing behind.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use uuid::Uuid;

use crate::support::{eventually, http_get, kafka, postgres, program, segmenter};

const DEADLINE: Duration = Duration::from_secs(60);

/// A temporary folder for the demo, in which leftovers are found.
struct TempRoom(PathBuf);

impl TempRoom {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("segmenter-room-{}", Uuid::new_v4().simple()));
        // The server's user needs access.
        std::fs::DirBuilder::new().mode(0o755).create(&path).unwrap();
        Self(path)
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }

    /// The command lines of the processes that name this folder.
    fn processes(&self) -> Vec<String> {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
        lines.filter(|line| line.contains(self.0.to_str().unwrap())).collect()
    }

    fn demo(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command.env("TMPDIR", &self.0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn assert_nothing_is_left(&self) {
        assert_eq!(self.processes(), [""; 0], "a process is left");
        assert!(self.is_empty(), "a folder is left");
    }
}

impl Drop for TempRoom {
    fn drop(&mut self) {
        // Leftovers have already failed the test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The number before `label` in the report.
fn figure(report: &str, label: &str) -> u64 {
    let figures = report.lines().filter_map(|line| line.trim_start().split_once("  "));
    let found = figures.filter(|(_, text)| text.trim_start().starts_with(label));
    let numbers: Vec<u64> = found.filter_map(|(number, _)| number.replace(',', "").parse().ok()).collect();
    *numbers.first().unwrap_or_else(|| panic!("no {label} in:\n{report}"))
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_demos_report_adds_up_and_nothing_is_left_behind() {
    let room = TempRoom::new();
    let mut command = room.demo();
    command.args(["--travellers", "200"]);
    let output = run(command).await;
    let (report, progress) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{progress}");

    let sent = figure(&report, "records sent");
    let outcomes = ["applied", "unchanged", "stale", "skipped", "dead letters"];
    assert_eq!(outcomes.map(|outcome| figure(&report, outcome)).iter().sum::<u64>(), sent, "{report}");
    assert!(outcomes.iter().all(|outcome| figure(&report, outcome) > 0), "every outcome is shown:\n{report}");
    assert_eq!(figure(&report, "every record is accounted for"), sent);
    assert!(report.contains("starts a family"), "a change is shown:\n{report}");

    let is_control = |letter: char| letter.is_control() && letter != '\n';
    assert!(!report.contains(is_control) && !progress.contains(is_control), "a pipe gets plain text");
    assert!(report.lines().all(|line| line.chars().count() <= 80), "80 columns are enough:\n{report}");
    room.assert_nothing_is_left();
}

#[tokio::test]
async fn an_interrupted_demo_leaves_nothing_behind() {
    let room = TempRoom::new();
    // While initdb runs, and when the server has just started.
    for sign in ["PG_VERSION", "base/1", "postmaster.pid"] {
        let mut child = room.demo().spawn().unwrap();
        eventually(DEADLINE, "the server's files", async || holds(&room.0, sign)).await;
        interrupt(child.id());
        let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        assert_eq!(status.code(), Some(130), "interrupted at {sign}");
        room.assert_nothing_is_left();
    }
}

#[tokio::test]
async fn a_demo_interrupted_in_the_middle_of_its_work_leaves_nothing_behind() {
    let room = TempRoom::new();
    let mut child = room.demo().args(["--travellers", "5000"]).spawn().unwrap();
    let progress = std::io::BufReader::new(child.stderr.take().unwrap());
    let under_load = tokio::task::spawn_blocking(move || {
        std::io::BufRead::lines(progress).any(|line| line.unwrap().contains("Changing profiles"))
    });
    assert!(under_load.await.unwrap(), "progress is shown");
    interrupt(child.id());
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(130));
    room.assert_nothing_is_left();
}

#[tokio::test]
async fn a_demo_that_is_kept_serves_until_it_is_interrupted() {
    let room = TempRoom::new();
    let mut child = room.demo().args(["--travellers", "200", "--keep"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let kept = tokio::task::spawn_blocking(move || {
        let mut report = String::new();
        for line in std::io::BufRead::lines(std::io::BufReader::new(&mut stdout)) {
            report += &(line.unwrap() + "\n");
            if report.contains("kcat") {
                break;
            }
        }
        report
    });
    let report = kept.await.unwrap();
    let row = report.lines().find(|line| line.trim_start().starts_with("Page ")).expect("the page's address is shown");
    let address = row.split("http://").nth(1).unwrap().trim_end_matches('/');
    let page = http_get(address.parse().unwrap(), "/").await;
    assert!(page.status == 200 && page.body.contains("Users by primary segment"), "{}", page.body);
    interrupt(child.id());
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    room.assert_nothing_is_left();
}

#[tokio::test]
async fn a_killed_demo_leaves_nothing_behind_either() {
    let room = TempRoom::new();
    let mut child = room.demo().args(["--travellers", "200", "--keep"]).spawn().unwrap();
    eventually(DEADLINE, "the server's files", async || holds(&room.0, "postmaster.pid")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(DEADLINE, "everything to be gone", async || room.processes().is_empty() && room.is_empty()).await;
}

/// Whether the server's data in the demo's folder has a file of this name.
fn holds(room: &Path, file: &str) -> bool {
    let mut folders = std::fs::read_dir(room).unwrap().filter_map(Result::ok);
    folders.any(|folder| folder.path().join("data").join(file).exists())
}

fn interrupt(pid: u32) {
    let status = Command::new("kill").args(["-s", "INT", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_service_beside_the_producer_has_segments_of_its_travellers_and_says_that_it_is_ready() {
    let database = postgres().fresh_database().await;
    database.run(include_str!("../compose/users.sql")).await;
    let mut topics = Vec::new();
    for name in ["onboarding", "updates", "changes", "dead"] {
        topics.push(kafka().create_topic(name, 2, &[]).await);
    }
    let mut environment = vec![
        ("KAFKA_BROKERS", kafka().brokers()),
        ("DATABASE_URL", database.url()),
        ("SEGMENTER_GROUP_ID", topics[0].as_str()),
        ("SEGMENTER_TOPICS_ONBOARDING_COMPLETED", topics[0].as_str()),
        ("SEGMENTER_TOPICS_PROFILE_UPDATED", topics[1].as_str()),
        ("SEGMENTER_TOPICS_SEGMENT_CHANGED", topics[2].as_str()),
        ("SEGMENTER_TOPICS_DEAD_LETTER", topics[3].as_str()),
        ("SEGMENTER_DATABASE_MIGRATE", "true"),
        ("SEGMENTER_HTTP_ADDR", "127.0.0.1:0"),
    ];
    let mut service = segmenter(&["serve"], &environment);
    let produce = ["produce", "--travellers", "20", "--rate", "1000", "--rounds", "2"];
    let produced = program(Path::new(env!("CARGO_BIN_EXE_demo")), &produce, &environment, "").finish(DEADLINE).await;
    assert_eq!(produced.code, Some(0), "{produced:?}");
    eventually(DEADLINE, "the travellers' segments", || async {
        let rows =
            sqlx::query_scalar::<_, i64>(r#"select count(*) from user_vectors where "primarySegment" is not null"#);
        // The seed erases none of twenty.
        rows.fetch_one(database.pool()).await.is_ok_and(|count| count == 20)
    })
    .await;

    let address = service.http_address().await.to_string();
    environment.pop();
    environment.push(("SEGMENTER_HTTP_ADDR", &address));
    let asked = async || segmenter(&["health"], &environment).finish(DEADLINE).await.code;
    eventually(DEADLINE, "the service to be ready", async || asked().await == Some(0)).await;
    service.terminate();
    assert_eq!(service.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(asked().await, Some(1), "nothing answers");
}

#[tokio::test]
async fn the_producer_goes_on_until_it_is_stopped_and_names_wrong_settings() {
    let demo = Path::new(env!("CARGO_BIN_EXE_demo"));
    let unset = program(demo, &["produce"], &[], "").finish(DEADLINE).await;
    assert!(unset.code == Some(1) && unset.log.contains("KAFKA_BROKERS"), "{unset:?}");

    let database = postgres().fresh_database().await;
    database.run(include_str!("../compose/users.sql")).await;
    let topic = kafka().create_topic("input", 1, &[]).await;
    let other = kafka().create_topic("input", 1, &[]).await;
    let environment = [
        ("KAFKA_BROKERS", kafka().brokers()),
        ("DATABASE_URL", database.url()),
        ("SEGMENTER_TOPICS_ONBOARDING_COMPLETED", topic.as_str()),
        ("SEGMENTER_TOPICS_PROFILE_UPDATED", other.as_str()),
    ];
    let mut producing = program(demo, &["produce", "--travellers", "10", "--rate", "1000"], &environment, "");
    producing.wait_for_log("Changing profiles, round 3").await;
    producing.terminate();
    assert_eq!(producing.wait(DEADLINE).await.code(), Some(0));
}
