//! The page in a real browser: with and without its script, by keyboard, on a phone, for a screen reader, and safe.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scene::{DEADLINE, Numbers, Scene, history, onboarding_event, record};
use crate::support::{Postgres, Record, Segmenter, eventually, http, http_get, segmenter};
use crate::world::{migrate, table};

const TOKEN: &str = "the-token";
const SCRIPT: &str = include_str!("../browser/look.mjs");

fn folder(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(name)
}

/// A running check of `tests/browser/look.mjs`.
struct Look(Child);

impl Look {
    fn begin(check: &str, process_base: &str, more: &[&str]) -> Self {
        let folder = folder("browser");
        assert!(folder.join("node_modules/playwright-core").is_dir(), "Playwright is missing: `scripts/setup ops`");
        screenshots();
        let node = Command::new("timeout")
            .args(["--kill-after=5", "180", "node", "--input-type=module", "--eval", SCRIPT, check, process_base])
            .args(more)
            .current_dir(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("node starts");
        Self(node)
    }

    /// Waits for its first line.
    async fn first_line(&mut self) -> String {
        let stdout = self.0.stdout.take().expect("stdout is piped");
        let read = move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).expect("its output is text");
            line.trim().to_owned()
        };
        tokio::task::spawn_blocking(read).await.expect("it does not panic")
    }

    /// Waits for its end; panics with its output if the check fails.
    async fn holds(mut self) {
        let ended = tokio::task::spawn_blocking(move || {
            let mut complaint = String::new();
            self.0.stderr.take().expect("stderr is piped").read_to_string(&mut complaint).expect("it is text");
            (self.0.wait().expect("node can be waited for"), complaint)
        });
        let (status, complaint) = ended.await.expect("it does not panic");
        assert!(status.success(), "{complaint}");
    }
}

/// The folder of screenshots for manual review; no test compares them.
fn screenshots() -> std::path::PathBuf {
    let folder = folder("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A service that has processed records with every outcome.
struct Served {
    scene: Scene,
    process: Segmenter,
    base: String,
}

async fn served(environment: &[(&str, &str)]) -> Served {
    let scene = Scene::new(2).await;
    scene.add_users(400).await;
    scene.kafka.produce(&scene.updates, Record::new("user-1", "not JSON")).await;
    scene.kafka.produce(&scene.onboarding, record("gone", &onboarding_event("gone", 900_000, &mut Numbers(4)))).await;
    scene
        .kafka
        .produce(&scene.onboarding, record("user-0", &onboarding_event("user-0", 900_001, &mut Numbers(5))))
        .await;
    scene.produce(&history(400, 3_000, 11)).await;
    let process = scene.serve_with(environment);
    scene.settled().await;
    let base = format!("http://{}", process.http_address().await);
    Served { scene, process, base }
}

async fn served_with_users() -> Served {
    served(&[("SEGMENTER_HTTP_TOKEN", TOKEN), ("SEGMENTER_HTTP_USER_PAGE", "true")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_everything_without_javascript_and_fits_a_phone() {
    let served = served(&[]).await;
    Look::begin("withoutScript", &served.base, &[]).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_change_as_events_flow_and_can_be_paused_and_a_lost_service_shows() {
    let served = served(&[]).await;
    let mut look = Look::begin("live", &served.base, &["3"]);
    assert_eq!(look.first_line().await, "loaded");
    for id in 0..3 {
        let user = format!("user-{id}");
        let mut event = onboarding_event(&user, 990_000 + id, &mut Numbers(id));
        // Later than all earlier events, so that it is applied.
        let at = format!("2026-11-01T00:00:0{id}.000Z");
        event["payload"]["completedAt"] = at.clone().into();
        event["timestamp"] = at.into();
        served.scene.kafka.produce(&served.scene.onboarding, record(&user, &event)).await;
    }
    look.holds().await;
}

/// Waits until the status at `pointer` is `wanted`.
async fn shows(address: std::net::SocketAddr, pointer: &str, wanted: serde_json::Value) {
    eventually(DEADLINE, &format!("{pointer} of the status is {wanted}"), || async {
        http_get(address, "/api/status").await.json().pointer(pointer) == Some(&wanted)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_names_a_database_that_is_down_and_later_the_rewind_and_that_nothing_is_wrong_before() {
    let server = Postgres::dedicated().await;
    let mut scene = Scene::new(1).await;
    scene.database = server.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(20).await;
    scene.produce(&history(20, 100, 6)).await;
    let process = scene.serve();
    let address = process.http_address().await;
    let base = format!("http://{address}");
    scene.settled().await;
    shows(address, "/partitions/0/history", "present".into()).await;
    shows(address, "/findings", serde_json::json!([])).await;
    Look::begin("healthy", &base, &[]).holds().await;

    server.stop_immediate();
    shows(address, "/health/ready", false.into()).await;
    eventually(DEADLINE, "the first finding names the database", || async {
        let status = http_get(address, "/api/status").await.json();
        status["findings"][0]["reasons"].to_string().contains("positions: not confirmed by the database")
    })
    .await;
    let down =
        ["Not ready", "Events are not applied.", "Restore the database", "database: ", "Runbook: It is not ready"];
    Look::begin("finding", &base, &[&["database-down"][..], &down].concat()).holds().await;

    server.start();
    shows(address, "/health/ready", true.into()).await;
    // As after a failover that lost the last commits.
    let update = "update segmenter.positions set next_offset = next_offset - 5 where next_offset > 5";
    scene.database.run(update).await;
    eventually(DEADLINE, "the rewind is shown, and the history is the present one again", || async {
        let partition = http_get(address, "/api/status").await.json()["partitions"][0].clone();
        let offset = |pointer: &str| partition.pointer(pointer).and_then(serde_json::Value::as_i64);
        let went_back = offset("/lastRewind/to").map(|to| to + 5);
        went_back.is_some() && went_back == offset("/lastRewind/from") && partition["history"] == "present"
    })
    .await;
    let rewound = ["Ready, with 1 finding", "Changes are repeated", "Runbook: The database went back in time"];
    Look::begin("finding", &base, &[&["rewound"][..], &rewound].concat()).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_cannot_start_is_named_with_its_reason_and_the_page_does_not_wait_for_the_database() {
    let scene = Scene::new(1).await;
    scene.add_users(20).await;
    let mut first = scene.serve();
    scene.produce(&history(20, 100, 6)).await;
    scene.settled().await;
    first.terminate();
    first.wait(DEADLINE).await;
    // No position can be read.
    let mut lock = scene.database.pool().begin().await.unwrap();
    sqlx::query("lock table segmenter.positions in access exclusive mode").execute(&mut *lock).await.unwrap();
    let process = scene.serve_with(&[("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "1s")]);
    let address = process.http_address().await;
    eventually(DEADLINE, "the finding names the partition", || async {
        let status = http_get(address, "/api/status").await.json();
        status["findings"][0]["section"] == "a-partition-is-not-read"
    })
    .await;
    let asked = Instant::now();
    let status = http_get(address, "/api/status").await.json();
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let why = status["partitions"][0]["notRead"].as_str().unwrap();
    assert!(why.starts_with("cannot start yet: the database does not answer"), "{why}");
    let wanted = ["Not ready", "The events of some partitions are not applied", "cannot start", "segmenter positions"];
    let base = format!("http://{address}");
    Look::begin("finding", &base, &[&["not-read"][..], &wanted].concat()).holds().await;
    lock.rollback().await.unwrap();
    shows(address, "/findings", serde_json::json!([])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_shows_its_progress_and_the_reason_why_it_waits() {
    let served = served(&[]).await;
    let id = uuid::Uuid::new_v4().to_string();
    let arguments = ["replay", "--from", "earliest", "--execute", "--id", &id, "--max-outbox", "0", "--rate", "1000"];
    // The outbox holds a row that another process has leased, so the job waits.
    let full = "insert into segmenter.outbox (owner, leased_until, users) values (gen_random_uuid(), 'infinity', '{}')";
    served.scene.database.run(full).await;
    let job = segmenter(&arguments, &served.scene.environment());
    let address = served.process.http_address().await;
    eventually(DEADLINE, "the status names the reason", || async {
        let status = http_get(address, "/api/status").await.json();
        let job = &status["jobs"][0];
        let commands = job["commands"].to_string();
        let is_next = commands.contains(&format!("segmenter job throttle {id} --rate 500"));
        job["id"] == id && job["state"] == "running" && job["heldBy"] == "outbox 1 > 0 rows" && is_next
    })
    .await;
    Look::begin("job", &served.base, &[&id, "outbox 1 > 0 rows"]).holds().await;
    served.scene.database.run("delete from segmenter.outbox").await;
    assert_eq!(job.finish(DEADLINE).await.code, Some(4), "done, with records that were rejected");
    eventually(DEADLINE, "the job is done", || async {
        let job = http_get(address, "/api/status").await.json()["jobs"][0].clone();
        let is_checkpointed = job["checkpointAt"].is_string();
        job["state"] == "done"
            && is_checkpointed
            && job["passed"] == job["expected"]
            && job["counts"]["items"].as_u64() > Some(3_000)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strict_content_security_policy_holds_and_injected_markup_does_not_run() {
    let served = served_with_users().await;
    Look::begin("policy", &served.base, &[TOKEN]).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_reached_by_keyboard_and_the_focus_is_seen() {
    let served = served_with_users().await;
    Look::begin("keyboard", &served.base, &[TOKEN]).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_in_light_and_dark_on_phone_and_desktop() {
    let served = served_with_users().await;
    Look::begin("accessible", &served.base, &[TOKEN]).holds().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_page_is_absent_unless_enabled_and_requires_the_token() {
    let closed = served(&[("SEGMENTER_HTTP_TOKEN", TOKEN)]).await;
    let address = closed.process.http_address().await;
    assert_eq!(http_get(address, "/users?id=user-0").await.status, 404);
    let page = http_get(address, "/").await.body;
    assert!(!page.contains("/users") && !page.contains("user-0") && !page.contains(TOKEN));
    let status = http_get(address, "/api/status").await.body;
    assert!(!status.contains("user-0") && !status.contains(TOKEN));

    let open = served_with_users().await;
    let address = open.process.http_address().await;
    let refused = http(address, "GET", "/users?id=user-0", &[]).await.unwrap();
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").unwrap().starts_with("Basic "));
    let segment = table(open.scene.database.pool()).await["user-0"].primary_segment.clone().unwrap();
    Look::begin("userPage", &open.base, &[TOKEN, &segment]).holds().await;
    let mut process = open.process;
    process.terminate();
    assert_eq!(process.wait(DEADLINE).await.code(), Some(0), "a browser's open connection does not hold it up");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_of_a_simulation_is_legible_in_light_and_dark_on_a_phone_and_on_paper() {
    let scene = Scene::new(1).await;
    scene.add_users(900).await;
    scene.produce(&history(900, 3_000, 12)).await;
    let mut process = scene.serve();
    scene.settled().await;
    process.terminate();
    process.wait(DEADLINE).await;
    let folder = tempfile::tempdir().unwrap();
    let [catalog, report] = ["catalog.toml", "report.html"].map(|name| folder.path().join(name).display().to_string());
    let text = include_str!("../../src/domain/scoring/catalog.toml")
        .replacen("version = 1", "version = 2", 1)
        .replacen("budget = 0.25\ngroup = 0.20", "budget = 0.20\ngroup = 0.25", 1)
        .replacen("budget = 0.95, group = 0.3", "budget = 0.85, group = 0.4", 1)
        .replacen("minimum_score = 0.3", "minimum_score = 0.72", 1);
    let nomad = text.split("[[segments]]").nth(7).unwrap().replace("BUSINESS_LEISURE", "DIGITAL_NOMAD");
    let nomad = nomad.replace("budget = 0.75", "budget = 0.35").replace("business_mix = 0.7", "business_mix = 0.3");
    std::fs::write(&catalog, format!("{text}\n[[segments]]{nomad}")).unwrap();
    let arguments = ["catalog", "simulate", "--catalog", &catalog, "--html", &report];
    let simulated = segmenter(&arguments, &scene.environment()).finish(DEADLINE).await;
    assert_eq!(simulated.code, Some(0), "{simulated:?}");
    std::fs::copy(&report, screenshots().join("report.html")).unwrap();
    Look::begin("report", &format!("file://{report}"), &[]).holds().await;
}
