//! The stage of a schedule: brokers, database, processes, load and recommenders, and the checks at the end of each fault.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::Offset;
use tokio::sync::{Mutex, MutexGuard};

use super::load::{Load, USERS};
use super::recommender::LiveRecommender;
use super::servers::Servers;
use crate::scene::{DEADLINE, Scene, observed};
use crate::support::history::{Recommender, Rewind, violations};
use crate::support::{KafkaCluster, Segmenter, eventually, http_get};
use crate::world::{assert_table_equals_oracle, migrate, oracle, table};

/// The partitions of each topic. With the same number for inputs and output, a user has the same partition in all.
pub const PARTITIONS: i32 = 3;

/// How many processes may run.
pub const CLIENTS: usize = 3;

/// The differences between stages.
#[derive(Clone, Copy)]
pub struct Stage {
    pub processes: usize,
    /// The topic of updates has no replicas but those on this broker.
    pub updates_are_on: Option<usize>,
    /// The load, in events a second.
    pub rate: u64,
    pub seed: u64,
}

impl Stage {
    /// This many processes, every topic with three replicas, and a rate that leaves few users without an event for a minute.
    pub const fn of(processes: usize) -> Self {
        Self { processes, updates_are_on: None, rate: 160, seed: 1 }
    }
}

/// The brokers serve all schedules, one after the other.
static TURN: Mutex<()> = Mutex::const_new(());

fn cluster() -> &'static KafkaCluster {
    static CLUSTER: OnceLock<KafkaCluster> = OnceLock::new();
    CLUSTER.get_or_init(|| KafkaCluster::start(CLIENTS))
}

pub struct Bed {
    pub processes: Vec<Segmenter>,
    pub load: Load,
    live: LiveRecommender,
    joined_late: LiveRecommender,
    pub scene: Scene,
    pub servers: Servers,
    pub cluster: &'static KafkaCluster,
    rewinds: Vec<Rewind>,
    /// The processes that were replaced, and their counters with them. Kept for their logs.
    replaced: Vec<Segmenter>,
    _turn: MutexGuard<'static, ()>,
}

impl Bed {
    /// Everything runs, and the load is on.
    pub async fn new(stage: Stage) -> Self {
        let turn = TURN.lock().await;
        let cluster = tokio::task::block_in_place(|| {
            let cluster = cluster();
            cluster.heal();
            cluster
        });
        let kafka = cluster.kafka();
        let onboarding = kafka.create_topic("onboarding", PARTITIONS, &[]).await;
        let updates = match stage.updates_are_on {
            Some(broker) => cluster.create_topic_on(broker, "updates").await,
            None => kafka.create_topic("updates", PARTITIONS, &[]).await,
        };
        let changes = kafka.create_topic("changes", PARTITIONS, &[]).await;
        let dead = kafka.create_topic("dead", 1, &[]).await;
        let (servers, database) = Servers::start(CLIENTS).await;
        migrate(&database).await;
        let group = format!("group-{onboarding}");
        let scene = Scene { database, kafka, onboarding, updates, changes, dead, group };
        scene.add_users(USERS).await;
        let topics = [scene.onboarding.clone(), scene.updates.clone()];
        let load = Load::to(kafka.brokers(), topics, stage.rate, stage.seed);
        let live = LiveRecommender::of(kafka, &scene.changes, PARTITIONS, Offset::Beginning);
        let joined_late = LiveRecommender::of(kafka, &scene.changes, PARTITIONS, Offset::Beginning);
        let mut bed = Self {
            processes: Vec::new(),
            load,
            live,
            joined_late,
            scene,
            servers,
            cluster,
            rewinds: Vec::new(),
            replaced: Vec::new(),
            _turn: turn,
        };
        for _ in 0..stage.processes {
            bed.join();
        }
        bed.load.resume();
        bed.is_working().await;
        bed.joined_late = LiveRecommender::of(kafka, &bed.scene.changes, PARTITIONS, Offset::End);
        bed
    }

    /// Starts one more process.
    pub fn join(&mut self) {
        let process = self.start(self.processes.len(), "");
        self.processes.push(process);
    }

    /// Waits until a process has ended, and starts another one in its place; returns the exit code.
    pub async fn replace(&mut self, client: usize, failpoints: &str) -> Option<i32> {
        let status = self.processes[client].wait(DEADLINE).await;
        let other = self.start(client, failpoints);
        self.replaced.push(std::mem::replace(&mut self.processes[client], other));
        // From here on it handles signals.
        self.processes[client].wait_for_log("segmenter starts").await;
        status.code()
    }

    fn start(&self, client: usize, failpoints: &str) -> Segmenter {
        self.scene.serve_with(&[
            ("KAFKA_BROKERS", &self.cluster.links_of(client)),
            ("DATABASE_URL", &self.servers.url(client, self.scene.database.name())),
            ("SEGMENTER_DATABASE_STATEMENT_TIMEOUT", "3s"),
            ("SEGMENTER_DATABASE_CONNECT_TIMEOUT", "3s"),
            ("SEGMENTER_OUTBOX_LEASE", "15s"),
            ("SEGMENTER_LOG_FILTER", "info,segmenter::ingest::start=debug"),
            ("FAILPOINTS", failpoints),
        ])
    }

    /// Every process runs; none has ended by itself.
    pub fn assert_all_run(&mut self) {
        for process in &mut self.processes {
            assert!(process.is_running(), "process {} has ended", process.pid());
        }
    }

    /// Waits until changes come.
    pub async fn is_working(&self) {
        let enough = self.live.count() + 100;
        eventually(DEADLINE, "changes to be published", || async { self.live.count() >= enough }).await;
    }

    /// The database loses the commits since this moment, until everything is right again.
    pub fn rewinds_to_now(&mut self) {
        // What was committed just before may not have reached the standby either.
        self.rewinds.push(Rewind { from: now() - 1_000, until: i64::MAX });
    }

    /// By partition, the longest time without a change.
    pub fn stalls(&self, from: Instant, until: Instant) -> Vec<Duration> {
        self.live.longest_stalls(PARTITIONS, from, until)
    }

    /// Stops the load and waits until the rows are those of the oracle; returns when they were.
    pub async fn rows_are_right(&self, within: Duration) -> Instant {
        self.load.pause(DEADLINE).await;
        let events = self.scene.accepted().await;
        let expected = oracle(&events);
        let pool = self.scene.database.pool();
        let started = Instant::now();
        while started.elapsed() < within {
            let asked = Instant::now();
            if table(pool).await == expected {
                return asked;
            }
        }
        assert_table_equals_oracle(pool, &events).await;
        started + within
    }

    /// The checks at the end of each fault; the load is off and the rows are right.
    pub async fn everything_is_right(&mut self) {
        // A process that was paused may have its partitions read again, after all is committed.
        eventually(DEADLINE, "the database to confirm the end of every partition", || self.is_confirmed()).await;
        self.scene.settled().await;
        self.assert_all_run();
        let ends = self.scene.kafka.end_offsets(&self.scene.changes).await;
        let written = usize::try_from(ends.iter().sum::<i64>()).unwrap();
        eventually(DEADLINE, "the recommender to have read everything", || async { self.live.count() == written })
            .await;
        self.assert_history().await;
        assert!(self.scene.dead_letters().await.is_empty());
        self.everything_is_accounted_for().await;
        let is_right = now();
        self.rewinds.iter_mut().for_each(|rewind| rewind.until = rewind.until.min(is_right));
    }

    async fn is_confirmed(&self) -> bool {
        let confirmed = "select coalesce(sum(next_offset), 0)::bigint from segmenter.positions where history <> 0";
        sqlx::query_scalar::<_, i64>(confirmed).fetch_one(self.scene.database.pool()).await.unwrap()
            == self.records().await
    }

    /// How many records both input topics have.
    async fn records(&self) -> i64 {
        let mut records = 0;
        for topic in [&self.scene.onboarding, &self.scene.updates] {
            records += self.scene.kafka.end_offsets(topic).await.iter().sum::<i64>();
        }
        records
    }

    async fn assert_history(&self) {
        let at_the_end = self.scene.kafka.read_all(&self.scene.changes).await;
        let recommender =
            |name, from_the_beginning, observations| Recommender { name, from_the_beginning, observations };
        let recommenders = [
            recommender("live", true, self.live.observations()),
            recommender("joined late", false, self.joined_late.observations()),
            recommender("at the end", true, at_the_end.iter().map(observed).collect()),
        ];
        let violations = violations(&recommenders, &self.scene.published_rows().await, &self.rewinds);
        let shown = &violations[..violations.len().min(5)];
        assert!(violations.is_empty(), "{} violations, the first: {shown:#?}", violations.len());
    }

    /// Waits until the process that joined last has processed a record.
    pub async fn the_newest_process_works(&self) {
        let newest = self.processes.last().unwrap();
        eventually(DEADLINE, "the process that joined to process records", || async {
            sum_of(&metrics_of(newest).await, "segmenter_records_total{", "") > 0.0
        })
        .await;
    }

    /// Waits until a process names the topic as not read.
    pub async fn readiness_names(&self, topic: &str) {
        eventually(DEADLINE, "the readiness of a process to name the topic", || async {
            let mut names = false;
            for process in &self.processes {
                names |= http_get(process.http_address().await, "/health/ready").await.body.contains(topic);
            }
            names
        })
        .await;
    }

    /// By the counters of the processes: every record ended as an outcome, and nothing is in flight.
    async fn everything_is_accounted_for(&self) {
        let mut metrics = String::new();
        for process in &self.processes {
            metrics.push_str(&metrics_of(process).await);
        }
        let sum = |wanted, with| sum_of(&metrics, wanted, with);
        let records = self.records().await;
        let outcomes = sum("segmenter_records_total{", "");
        #[expect(clippy::cast_precision_loss, reason = "a count of a test")]
        let is_complete = outcomes >= records as f64;
        assert!(is_complete || !self.replaced.is_empty(), "{outcomes} outcomes of {records} records");
        assert_eq!(sum("segmenter_records_total{", "dead_lettered"), 0.0);
        for left in ["segmenter_in_flight_records", "segmenter_in_flight_bytes", "segmenter_dead_letters_held"] {
            assert_eq!(sum(left, ""), 0.0, "{left}");
        }
    }
}

async fn metrics_of(process: &Segmenter) -> String {
    http_get(process.http_address().await, "/metrics").await.body
}

/// The sum of the series whose names begin with `name` and contain `label`.
fn sum_of(metrics: &str, name: &str, label: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

fn now() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since_1970.as_millis()).unwrap()
}
