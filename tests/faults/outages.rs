//! SIGTERM ends the service within the grace period of its pod, whatever its peers do meanwhile, with work in flight.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::scene::{DEADLINE, Scene, history};
use crate::support::{Connections, Kafka, Proxy, Record, Segmenter, eventually, http_get, kafka};
use crate::world::table;

/// `terminationGracePeriodSeconds` of the pods.
const GRACE: Duration = Duration::from_secs(45);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outage {
    DatabaseSilent,
    DatabaseRefused,
    KafkaSilent,
    KafkaRefused,
    RegistrySilent,
    DeadLettersRefused,
}
use Outage::{DatabaseRefused, DatabaseSilent, DeadLettersRefused, KafkaRefused, KafkaSilent, RegistrySilent};

const ALL: [Outage; 6] =
    [DatabaseSilent, DatabaseRefused, KafkaSilent, KafkaRefused, RegistrySilent, DeadLettersRefused];

/// Every two that can happen at once.
fn pairs() -> Vec<BTreeSet<Outage>> {
    let both = |one: usize, other: usize| BTreeSet::from([ALL[one], ALL[other]]);
    let all = (0..ALL.len()).flat_map(|one| (one + 1..ALL.len()).map(move |other| both(one, other)));
    let contradictory =
        [BTreeSet::from([DatabaseSilent, DatabaseRefused]), BTreeSet::from([KafkaSilent, KafkaRefused])];
    all.filter(|pair| !contradictory.contains(pair)).collect()
}

/// A process with work in flight, and peers that fail.
struct Stopped {
    outages: BTreeSet<Outage>,
    scene: Scene,
    database: Proxy,
    /// It accepts connections, as the kernel does for it, and answers none.
    _registry: TcpListener,
    process: Segmenter,
}

impl Stopped {
    async fn start(kafka: &'static Kafka, outages: BTreeSet<Outage>) -> Self {
        let mut scene = Scene::on(kafka, 1).await;
        if outages.contains(&DeadLettersRefused) {
            scene.dead = kafka.create_topic("refusing", 1, &[("min.insync.replicas", "2")]).await;
        }
        scene.add_users(200).await;
        let mut history = history(200, 3_000, 1);
        let rest = history.split_off(200);
        scene.produce(&history).await;
        if outages.contains(&RegistrySilent) {
            scene.kafka.produce(&scene.onboarding, Record::new("user-0", [0, 0, 0, 0, 7].to_vec())).await;
        }
        if outages.contains(&DeadLettersRefused) {
            scene.kafka.produce(&scene.onboarding, Record::new("user-0", "{")).await;
        }
        scene.produce(&rest).await;
        let database = Proxy::to(scene.database.url());
        // So that the process has work in flight for some seconds.
        database.set_latency(Duration::from_millis(50));
        let registry = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry_url = format!("http://{}", registry.local_addr().unwrap());
        let settings = [
            ("DATABASE_URL", database.url()),
            ("SCHEMA_REGISTRY_URL", &registry_url),
            ("SEGMENTER_BATCH_MAX_RECORDS", "20"),
        ];
        let process = scene.serve_with(&settings);
        Self { outages, scene, database, _registry: registry, process }
    }

    async fn is_working(&self) {
        eventually(DEADLINE, "some rows are written", || async { !table(self.scene.database.pool()).await.is_empty() })
            .await;
    }

    fn fail_peers(&self) {
        if self.outages.contains(&DatabaseSilent) {
            self.database.swallow(true);
        }
        if self.outages.contains(&DatabaseRefused) {
            self.database.refuse(true);
            self.database.cut(Connections::All);
        }
    }

    /// Stops it; returns how long that took.
    async fn stop(&mut self) -> Duration {
        let address = self.process.http_address().await;
        eventually(DEADLINE, "readiness shows an outage", || async {
            http_get(address, "/health/ready").await.status == 503
        })
        .await;
        let begun = Instant::now();
        self.process.terminate();
        let status = self.process.wait(GRACE * 2).await;
        assert_eq!(status.code(), Some(0), "{:?}", self.outages);
        begun.elapsed()
    }

    /// Starts another process once all peers are well, which does the abandoned work.
    async fn is_made_good(&mut self) {
        self.database.refuse(false);
        self.database.swallow(false);
        self.database.set_latency(Duration::ZERO);
        self.scene.expire_leases().await;
        self.scene.dead = self.scene.kafka.create_topic("accepting", 1, &[]).await;
        // Without a registry, the record that waited for it is a dead letter.
        let _process = self.scene.serve_with(&[("DATABASE_URL", self.database.url())]);
        self.scene.settled().await;
        self.scene.assert_right().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_process_within_its_grace_period_under_every_pair_of_outages() {
    let (silent, refused) = tokio::join!(Kafka::dedicated(), Kafka::dedicated());
    let (silent, refused): (&Kafka, &Kafka) = (Box::leak(Box::new(silent)), Box::leak(Box::new(refused)));
    let broker_of = |pair: &BTreeSet<Outage>| match () {
        () if pair.contains(&KafkaSilent) => silent,
        () if pair.contains(&KafkaRefused) => refused,
        () => kafka(),
    };
    let beside = LocalSet::new();
    let starting = pairs().into_iter().map(|pair| beside.spawn_local(Stopped::start(broker_of(&pair), pair)));
    let starting: Vec<_> = starting.collect();
    let took = beside.run_until(async {
        let mut all = Vec::new();
        for starting in starting {
            all.push(starting.await.unwrap());
        }
        for one in &all {
            one.is_working().await;
        }
        all.iter().for_each(Stopped::fail_peers);
        silent.pause();
        refused.kill();
        let stop = |mut one: Stopped| async move { (one.stop().await, one) };
        let stopping: Vec<_> = all.into_iter().map(|one| beside.spawn_local(stop(one))).collect();
        let (mut took, mut stopped) = (Vec::new(), Vec::new());
        for stopping in stopping {
            let (time, one) = stopping.await.unwrap();
            took.push((one.outages.clone(), time));
            stopped.push(one);
        }
        silent.resume();
        refused.start();
        let good = |mut one: Stopped| async move { one.is_made_good().await };
        let good: Vec<_> = stopped.into_iter().map(|one| beside.spawn_local(good(one))).collect();
        for good in good {
            good.await.unwrap();
        }
        took
    });
    let took = took.await;
    took.iter().for_each(|(outages, took)| println!("{outages:?}: {took:?}"));
    assert!(took.iter().all(|(_, took)| *took < GRACE), "{took:?}");
}
