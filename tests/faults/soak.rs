//! A random schedule of faults under load. Short in the usual run; `make soak` runs it for an hour. `SOAK_SEED` repeats a
//! schedule, `SOAK_SECONDS` sets its length.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::faults::failpoint;
use crate::scene::{DEADLINE, Numbers, Scene, history};
use crate::support::{Cut, Kafka, Postgres, Proxy, Segmenter};
use crate::world::migrate;

const USERS: u64 = 200;
const PROCESSES: usize = 3;
const POINTS: [&str; 6] =
    ["before-commit", "after-commit", "before-publish", "after-acks", "before-outbox-delete", "before-offset-commit"];

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// The processes and servers that the schedule acts on.
struct Stage {
    scene: Scene,
    postgres: Postgres,
    proxy: Proxy,
    processes: Vec<Segmenter>,
    numbers: Numbers,
}

impl Stage {
    fn random(&mut self, limit: usize) -> usize {
        usize::try_from(self.numbers.below(limit as u64)).unwrap()
    }

    fn start(&mut self, failpoints: &str) {
        let more = [
            ("DATABASE_URL", self.proxy.url()),
            ("FAILPOINTS", failpoints),
            ("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "3s"),
        ];
        let process = self.scene.serve_with(&more);
        self.processes.push(process);
    }

    /// Replaces processes that have ended, as a supervisor does.
    async fn replace_the_ended(&mut self) {
        for at in (0..self.processes.len()).rev() {
            if !self.processes[at].is_running() {
                let code = self.processes.remove(at).wait(DEADLINE).await.code();
                assert!(matches!(code, Some(0 | 1)), "a process ended with {code:?}");
            }
        }
        while self.processes.len() < PROCESSES {
            self.start("");
        }
    }

    async fn step(&mut self) -> &'static str {
        self.replace_the_ended().await;
        match self.random(9) {
            0 => {
                let at = self.random(PROCESSES);
                let mut killed = self.processes.remove(at);
                killed.kill();
                killed.wait(DEADLINE).await;
                "SIGKILL"
            }
            1 => {
                let at = self.random(PROCESSES);
                let mut leaver = self.processes.remove(at);
                leaver.terminate();
                // A frozen process receives SIGTERM when it wakes.
                leaver.resume();
                leaver.wait(DEADLINE).await;
                "SIGTERM"
            }
            2 => {
                let at = self.random(PROCESSES);
                self.processes[at].pause();
                "SIGSTOP"
            }
            3 => {
                self.processes.iter().for_each(Segmenter::resume);
                "SIGCONT"
            }
            4 => {
                tokio::task::block_in_place(|| {
                    self.postgres.stop_immediate();
                    self.postgres.start();
                });
                "PostgreSQL crashed"
            }
            5 => {
                tokio::task::block_in_place(|| {
                    self.scene.kafka.kill();
                    self.scene.kafka.start();
                });
                "the broker crashed"
            }
            6 => {
                let cut = if self.random(2) == 0 { Cut::BeforeCommit } else { Cut::AfterCommit };
                self.proxy.cut_next(cut, 1);
                "a COMMIT cut"
            }
            _ => {
                let at = self.random(PROCESSES);
                let mut killed = self.processes.remove(at);
                killed.kill();
                killed.wait(DEADLINE).await;
                let point = POINTS[self.random(POINTS.len())];
                self.start(&failpoint(point, "1*sleep(2000)"));
                "a slow point"
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_schedule_of_faults_leaves_everything_right() {
    let length = Duration::from_secs(number_from("SOAK_SECONDS").unwrap_or(15));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number_from("SOAK_SEED").unwrap_or(now.as_secs());
    println!("SOAK_SEED={seed}");
    // Leaked, because a scene's broker outlives every test.
    let kafka: &'static Kafka = Box::leak(Box::new(Kafka::dedicated().await));
    let postgres = Postgres::dedicated().await;
    let mut scene = Scene::on(kafka, 4).await;
    scene.database = postgres.upstream_after_ia().await;
    migrate(&scene.database).await;
    scene.add_users(USERS).await;
    let proxy = Proxy::to(scene.database.url());
    let mut stage = Stage { scene, postgres, proxy, processes: Vec::new(), numbers: Numbers(seed) };
    let started = Instant::now();
    let mut round = 0;
    while started.elapsed() < length || round < 8 {
        stage.scene.produce(&history(USERS, 200, seed.wrapping_add(round))).await;
        let done = stage.step().await;
        println!("{:>6.1} s: {done}", started.elapsed().as_secs_f64());
        round += 1;
    }
    stage.processes.iter().for_each(Segmenter::resume);
    stage.replace_the_ended().await;
    stage.scene.read().await;
    stage.scene.expire_leases().await;
    stage.scene.settled().await;
    stage.scene.assert_right().await;
    assert!(stage.scene.dead_letters().await.is_empty());
}
