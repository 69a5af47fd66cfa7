//! The publisher on a real broker: leases, takeover, self-correction; the last record of a user is the newest revision.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use segmenter::codec::segment_changed;
use segmenter::domain::event::Event;
use segmenter::kafka::client::Cluster;
use segmenter::kafka::producer::Outgoing;
use segmenter::publish::handover::{HandedOver, handover};
use segmenter::publish::publisher::{Produce, Publisher};
use segmenter::runtime::health::{Health, LONGEST_SILENCE};
use segmenter::runtime::stop::Stop;
use segmenter::store::Store;
use segmenter::store::apply::Progress;
use segmenter::store::connect::Connect;
use segmenter::store::leased_rows::LeasedRows;
use segmenter::store::outbox::{self, Publication, RowKey};
use segmenter::store::sql::Pool;
use segmenter::telemetry::metrics::Metrics;
use segmenter::telemetry::traces::Traces;
use tokio::sync::{Semaphore, mpsc};

use crate::scene::{DEADLINE, Scene};
use crate::support::{Database, Postgres, Proxy, eventually};
use crate::world::{connect_as, group, migrate, migrated_database, onboarding, store_on, tombstone};

fn publisher(scene: &Scene, store: &Store) -> Publisher {
    let properties = vec![("bootstrap.servers".to_owned(), scene.kafka.brokers().to_owned())];
    let cluster = Cluster { properties, tokens: None };
    let producer = cluster.named_producer("publisher").unwrap();
    Publisher { topic: scene.changes.clone(), ..publisher_with(producer, store) }
}

fn publisher_with<P>(producer: P, store: &Store) -> Publisher<P> {
    Publisher {
        store: store.clone(),
        producer,
        topic: "segment-changed".to_owned(),
        encoding: segment_changed::Encoding::Json,
        leased: LeasedRows::default(),
        metrics: Metrics::new().unwrap(),
        health: Health::default(),
        stop: Stop::default(),
        traces: Traces::default(),
    }
}

/// Applies events and returns the outbox rows without publishing them.
async fn commit(store: &Store, events: &[Event]) -> Vec<Publication> {
    let mut progress = Progress::new(events);
    store.advance(&mut progress).await.unwrap();
    progress.publications
}

/// Publishes all of `publications`.
async fn publish(scene: &Scene, store: &Store, publications: Vec<Publication>) {
    publisher(scene, store).run(all_handed_over(publications).await).await;
}

/// The receiving end of a handover of `publications`, after which none comes.
async fn all_handed_over(publications: Vec<Publication>) -> mpsc::UnboundedReceiver<HandedOver> {
    let (handover, handed_over) = handover();
    for publication in publications {
        handover.send(publication).await.unwrap();
    }
    handed_over
}

async fn revisions(scene: &Scene) -> Vec<i64> {
    let records = scene.kafka.read_all(&scene.changes).await;
    records.iter().map(|record| record.header("segmenter.revision").unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_change_that_is_published_after_a_newer_one_is_followed_by_the_newer_one() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    let (late, prompt) = (store_on(scene.database.pool()).await, store_on(scene.database.pool()).await);
    let older = commit(&late, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let newer = commit(&prompt, &[onboarding("ann", 2, vec![group("FAMILY")])]).await;
    assert_eq!((older.len(), newer.len()), (1, 1));
    publish(&scene, &prompt, newer).await;
    publish(&scene, &late, older).await;
    let published = revisions(&scene).await;
    assert_eq!(published.len(), 3, "{published:?}");
    assert!(published[0] == published[2] && published[1] < published[0], "{published:?}");
    assert_eq!(scene.outbox().await, 0);
    scene.assert_changes_form_chains().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_dead_process_are_published_by_another_once_their_lease_has_run_out() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann", "bob"]).await;
    let dead = store_on(scene.database.pool()).await;
    commit(&dead, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    commit(&dead, &[onboarding("bob", 1, vec![group("SOLO")])]).await;
    let alive = store_on(scene.database.pool()).await;
    let (handover, handed_over) = handover();
    let publisher = publisher(&scene, &alive);
    let metrics = publisher.metrics.clone();
    let running = tokio::spawn(publisher.run(handed_over));
    // A row of the running process shows that its publisher works and does not take over leased rows.
    let own = commit(&alive, &[onboarding("ann", 2, vec![group("FAMILY")])]).await;
    for publication in own {
        handover.send(publication).await.unwrap();
    }
    eventually(DEADLINE, "the own row is published", || async { scene.outbox().await == 2 }).await;
    scene.database.run("update segmenter.outbox set leased_until = 'epoch'").await;
    eventually(DEADLINE, "the rows of the dead process are published", || async { scene.outbox().await == 0 }).await;
    drop(handover);
    running.await.unwrap();
    scene.assert_changes_form_chains().await;
    let text = metrics.encode().unwrap();
    assert!(text.contains("segmenter_publish_delay_seconds_count 2\n"), "the own row is of no record: {text}");
}

/// A former primary that lives on, with an unpublished change of ann, and its successor, which started from a backup of it.
struct Primaries {
    former: Postgres,
    present: Postgres,
    on_former: Database,
}

impl Primaries {
    async fn new() -> Self {
        let former = Postgres::dedicated().await;
        let on_former = Postgres::at(former.url()).upstream_after_ia().await;
        migrate(&on_former).await;
        on_former.add_users(["ann"]).await;
        commit(&store_on(on_former.pool()).await, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
        on_former.run("update segmenter.outbox set leased_until = 'epoch'").await;
        let present = former.backup().await;
        tokio::task::block_in_place(|| present.start());
        Self { former, present, on_former }
    }

    /// A store, as of one process that reaches this address.
    async fn store_at(&self, server: &str) -> Store {
        let url = format!("{}{}", server.strip_suffix("postgres").unwrap(), self.on_former.name());
        let connect = Connect { url: url.parse().unwrap(), ..connect_as(self.on_former.pool()) };
        Store { pool: Pool::new(connect), ..store_on(self.on_former.pool()).await }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_row_that_is_taken_over_from_a_former_primary_is_followed_by_the_newest_change() {
    let (scene, primaries) = (Scene::new(1).await, Primaries::new().await);
    let link = Proxy::to(primaries.former.url());
    let zombie = primaries.store_at(link.url()).await;
    assert_eq!(outbox::depth(&zombie.pool).await.unwrap().rows, 1, "its session is one of the former primary");
    link.switch(primaries.present.url());
    let prompt = primaries.store_at(primaries.present.url()).await;
    let newer = commit(&prompt, &[onboarding("ann", 2, vec![group("FAMILY")])]).await;
    publish(&scene, &prompt, newer).await;
    let newest = *revisions(&scene).await.iter().max().unwrap();

    let (handover, handed_over) = handover();
    let running = tokio::spawn(publisher(&scene, &zombie).run(handed_over));
    eventually(DEADLINE, "the old row is published, and the newest change after it", || async {
        let published = revisions(&scene).await;
        published.iter().any(|revision| *revision < newest) && published.last() == Some(&newest)
    })
    .await;
    drop(handover);
    running.await.unwrap();
    assert_eq!(revisions(&scene).await.last(), Some(&newest));
}

#[tokio::test]
async fn a_published_row_that_a_failover_lost_is_not_deleted_in_the_place_of_the_one_that_got_its_id() {
    let database = migrated_database().await;
    database.add_users(["ann"]).await;
    let store = store_on(database.pool()).await;
    let row = commit(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await.remove(0).key;
    let lost = RowKey { created_at: row.created_at - Duration::from_micros(1), ..row };
    outbox::delete(&store.pool, store.owner, &[lost]).await.unwrap();
    assert_eq!(outbox::depth(&store.pool).await.unwrap().rows, 1);
    outbox::delete(&store.pool, store.owner, &[lost, row]).await.unwrap();
    assert_eq!(outbox::depth(&store.pool).await.unwrap().rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_overtakes_a_change_is_published_again_last_as_a_tombstone() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    let store = store_on(scene.database.pool()).await;
    let change = commit(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    let erasure = commit(&store, &[tombstone("ann", 2)]).await;
    publish(&scene, &store, erasure).await;
    publish(&scene, &store, change).await;
    let records = scene.kafka.read_all(&scene.changes).await;
    assert_eq!(records.len(), 3);
    assert!(records[2].value.is_none(), "the last record is the tombstone");
    scene.assert_changes_form_chains().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_deleted_on_the_platform_is_published_as_a_tombstone() {
    let scene = Scene::new(1).await;
    scene.database.add_users(["ann"]).await;
    let store = store_on(scene.database.pool()).await;
    let change = commit(&store, &[onboarding("ann", 1, vec![group("SOLO")])]).await;
    publish(&scene, &store, change).await;
    scene.database.run("delete from users").await;
    let (handover, handed_over) = handover();
    let running = tokio::spawn(publisher(&scene, &store).run(handed_over));
    eventually(DEADLINE, "the trigger's row is published", || async { scene.outbox().await == 0 }).await;
    drop(handover);
    running.await.unwrap();
    let records = scene.kafka.read_all(&scene.changes).await;
    assert!(records.len() == 2 && records[1].value.is_none() && records[1].key_text() == "ann");
}

/// The keys of the records of one attempt, and the number of outbox rows at that time.
type Attempt = (Vec<String>, i64);

/// Records every attempt and refuses the records of the first.
#[derive(Clone)]
struct Recorder {
    pool: sqlx::PgPool,
    attempts: Arc<Mutex<Vec<Attempt>>>,
}

impl Produce for Recorder {
    async fn produce_all(&self, _: &str, records: Vec<Outgoing>) -> Vec<KafkaResult<()>> {
        let rows = sqlx::query_scalar("select count(*) from segmenter.outbox").fetch_one(&self.pool).await.unwrap();
        let keys = records.iter().map(|record| String::from_utf8(record.key.clone().unwrap()).unwrap()).collect();
        let mut attempts = self.attempts.lock().unwrap();
        attempts.push((keys, rows));
        let refused = || KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        records.iter().map(|_| if attempts.len() == 1 { Err(refused()) } else { Ok(()) }).collect()
    }

    fn fatal_reason(&self) -> Option<String> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_attempt_is_repeated_in_order_and_the_row_stays_until_every_change_is_acknowledged() {
    let users = ["ann", "bob", "cyd"];
    let database = migrated_database().await;
    database.add_users(users).await;
    let store = store_on(database.pool()).await;
    let events: Vec<Event> = users.iter().map(|user| onboarding(user, 1, vec![group("FAMILY")])).collect();
    let publications = commit(&store, &events).await;
    let recorder = Recorder { pool: database.pool().clone(), attempts: Arc::default() };
    publisher_with(recorder.clone(), &store).run(all_handed_over(publications).await).await;
    let attempt = (users.map(str::to_owned).to_vec(), 1);
    assert_eq!(*recorder.attempts.lock().unwrap(), [attempt.clone(), attempt]);
    let left: i64 =
        sqlx::query_scalar("select count(*) from segmenter.outbox").fetch_one(database.pool()).await.unwrap();
    assert_eq!(left, 0);
}

/// Acknowledges an attempt once it is told to; reports the revisions of its records before.
struct Told {
    attempts: mpsc::UnboundedSender<Vec<i64>>,
    acknowledge: Arc<Semaphore>,
}

impl Produce for Told {
    async fn produce_all(&self, _: &str, records: Vec<Outgoing>) -> Vec<KafkaResult<()>> {
        let revision = |record: &Outgoing| {
            let value: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            value["payload"]["revision"].as_i64().unwrap()
        };
        self.attempts.send(records.iter().map(revision).collect()).unwrap();
        self.acknowledge.acquire().await.unwrap().forget();
        records.iter().map(|_| Ok(())).collect()
    }

    fn fatal_reason(&self) -> Option<String> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_was_paused_does_not_ask_a_former_primary_that_lives_on_for_newer_revisions() {
    let primaries = Primaries::new().await;
    let link = Proxy::to(primaries.former.url());
    let store = primaries.store_at(link.url()).await;
    let (publications, _) = outbox::take_over(&store.pool, store.owner, store.lease, 1).await.unwrap();
    let ((attempts, mut attempted), acknowledge) = (mpsc::unbounded_channel(), Arc::new(Semaphore::new(0)));
    let publisher = publisher_with(Told { attempts, acknowledge: Arc::clone(&acknowledge) }, &store);
    let running = tokio::spawn(publisher.run(all_handed_over(publications).await));
    let old = attempted.recv().await.unwrap();
    let paused = Instant::now();
    // Its session stays with the former primary.
    link.switch(primaries.present.url());
    let present = primaries.store_at(primaries.present.url()).await;
    commit(&present, &[onboarding("ann", 2, vec![group("FAMILY")])]).await;
    eventually(DEADLINE, "a pause that the group notices", || async { paused.elapsed() > Duration::from_secs(6) })
        .await;
    // More than the two: it may take the old row over on the present server.
    acknowledge.add_permits(10);
    let newer = attempted.recv().await.expect("the newer revision is published after the old one");
    assert!(newer[0] > old[0], "{old:?} {newer:?}");
    running.await.unwrap();
}

/// Answers no attempt, or refuses every one.
#[derive(Clone)]
struct Unavailable {
    answers: bool,
    attempts: Arc<AtomicUsize>,
}

impl Produce for Unavailable {
    async fn produce_all(&self, _: &str, records: Vec<Outgoing>) -> Vec<KafkaResult<()>> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        if !self.answers {
            return std::future::pending().await;
        }
        let refused = || KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut);
        records.iter().map(|_| Err(refused())).collect()
    }

    fn fatal_reason(&self) -> Option<String> {
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_stands_still_is_not_live_and_one_that_waits_for_work_or_out_an_outage_is() {
    for answers in [true, false] {
        let database = migrated_database().await;
        database.add_users(["ann"]).await;
        let store = store_on(database.pool()).await;
        let publications = commit(&store, &[onboarding("ann", 1, vec![group("FAMILY")])]).await;
        let (producer, health) = (Unavailable { answers, attempts: Arc::default() }, Health::default());
        let publisher = Publisher { health: health.clone(), ..publisher_with(producer.clone(), &store) };
        let (handover, handed_over) = handover();
        let running = tokio::spawn(publisher.run(handed_over));
        let tick = Duration::from_millis(1);
        let beats = async |why| {
            let since = Instant::now() + tick;
            eventually(DEADLINE, why, || async { health.report_at(since + LONGEST_SILENCE).live }).await;
        };
        beats("a heartbeat without work").await;
        handover.send(publications.into_iter().next().unwrap()).await.unwrap();
        let attempts = if answers { 2 } else { 1 };
        eventually(DEADLINE, "an attempt", || async { producer.attempts.load(Ordering::SeqCst) >= attempts }).await;
        if answers {
            beats("a heartbeat during an outage").await;
        } else {
            assert!(!health.report_at(Instant::now() + LONGEST_SILENCE + tick).live);
        }
        running.abort();
    }
}
