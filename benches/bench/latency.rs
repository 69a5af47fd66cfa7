//! The latency from an event to its change, at a steady rate. It counts from the moment at which an event is due, not from
//! the moment at which it is sent, so that a stall does not hide the events that it delays.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use segmenter::domain::event::{Kind, Millis};
use segmenter::domain::fold::engine_input;
use segmenter::domain::profile::Profile;
use segmenter::domain::scoring::{self, Catalog};

use crate::backlog::{Backlog, PARTITIONS, PROFILE_UPDATED, SEGMENT_CHANGED};
use crate::history::{Planned, user_id};
use crate::processes;
use crate::service;
use crate::support::{Database, Kafka, eventually};
use crate::wire::{Encoding, Writer, decode};
use crate::world::{World, settle};

/// Events a second.
pub const RATE: u64 = 1000;
/// Travellers, updated in turn.
pub const TRAVELLERS: u64 = 2000;
/// How long the last changes may take to arrive.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(30);

/// The measured latencies.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// Milliseconds.
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub most: f64,
    /// CPU of the service per event, µs.
    pub own_cpu: f64,
}

/// An event with its number in the schedule.
struct Due {
    key: String,
    event_id: String,
    value: Vec<u8>,
}

/// Sends events of the travellers from `first` on, which the platform has; each event changes a ranking. Those of the first
/// `warm_up` seconds do not count: a broker that has just started is slow until its JIT compiler has the code for many small
/// requests.
pub async fn measure(
    program: &Path,
    world: &World,
    database: &Database,
    first: u64,
    (warm_up, seconds): (u64, u64),
) -> Latency {
    let (before, count) = (warm_up * RATE, (warm_up + seconds) * RATE);
    let beginning = now_ms();
    let (onboardings, events) =
        tokio::task::spawn_blocking(move || plan(first, count, beginning)).await.expect("no panic");
    let changes_before: i64 = world.kafka.end_offsets(SEGMENT_CHANGED).await.iter().sum();
    let backlog = Backlog::produce(&world.kafka, onboardings, Encoding::Json).await;
    settle(database).await;
    backlog.rewind(&world.kafka);
    let service = service::start(program, world, database).await;
    let wanted = changes_before + i64::try_from(TRAVELLERS).expect("few travellers");
    let all_published = || async { world.kafka.end_offsets(SEGMENT_CHANGED).await.iter().sum::<i64>() >= wanted };
    eventually(Duration::from_secs(120), "the onboardings' changes to be published", all_published).await;

    let cpu = processes::cpu_seconds(service.pid());
    let listening = listen(&world.kafka, world.kafka.end_offsets(SEGMENT_CHANGED).await, count);
    let ids: Vec<String> = events.iter().map(|due| due.event_id.clone()).collect();
    let started = send_on_schedule(&world.kafka, events).await;
    let arrivals = listening.await.expect("listening does not panic");
    let own_cpu = 1e6 * (processes::cpu_seconds(service.pid()) - cpu) / count as f64;
    service::stop(service).await;

    let mut latencies = Vec::new();
    for (number, id) in (0..).zip(&ids).skip(usize::try_from(before).expect("it fits")) {
        let arrived = arrivals.get(id).expect("every change arrives");
        latencies.push((*arrived - due_at(started, number)).as_secs_f64() * 1000.0);
    }
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len()) - 1];
    Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), most: at(1.0), own_cpu }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}

fn due_at(started: Instant, number: u64) -> Instant {
    started + Duration::from_micros(number * 1_000_000 / RATE)
}

/// The onboardings of the travellers, and events that swing each of them between two rankings.
fn plan(first: u64, count: u64, beginning: i64) -> (Vec<Planned>, Vec<Due>) {
    let catalog = Catalog::builtin().expect("the catalog that is compiled in is valid");
    let writer = Writer::new(Encoding::Json);
    // Event ids differ from those of any backlog and of other rounds.
    let first_id = u64::try_from(beginning).expect("after 1970") << 20;
    let event = |kind, traveller: u64, version, id: u64| Planned {
        kind,
        user: first + traveller,
        version,
        id: first_id + id,
        time: Millis(beginning + i64::try_from(id).expect("few events")),
    };
    let onboarding = |traveller| event(Kind::OnboardingCompleted, traveller, 0, 0);
    let swings: Vec<u32> = (0..TRAVELLERS)
        .map(|traveller| {
            let ranking = |version: u32| {
                let mut profile = Profile::default();
                for planned in [onboarding(traveller), event(Kind::ProfileUpdated, traveller, version, 1)] {
                    profile.merge(&decode(planned.kind, &writer.value(&planned)));
                }
                let segmentation = scoring::segment(&engine_input(&profile, Millis(beginning)), &catalog);
                segmentation.ranking.into_iter().map(|ranked| ranked.segment).collect::<Vec<_>>()
            };
            // The onboarding has no date of birth: the first update must change the ranking as well.
            let mut onboarded = Profile::default();
            onboarded.merge(&decode(Kind::OnboardingCompleted, &writer.value(&onboarding(traveller))));
            let first = scoring::segment(&engine_input(&onboarded, Millis(beginning)), &catalog);
            let first: Vec<_> = first.ranking.into_iter().map(|ranked| ranked.segment).collect();
            let back = ranking(0);
            (1..).find(|version| ranking(*version) != back && ranking(*version) != first).expect("content is random")
        })
        .collect();
    let onboardings = (0..TRAVELLERS).map(onboarding).collect();
    let events = (0..count)
        .map(|number| {
            let (traveller, turn) = (number % TRAVELLERS, number / TRAVELLERS);
            let version = if turn % 2 == 0 { swings[usize::try_from(traveller).expect("it fits")] } else { 0 };
            let planned = event(Kind::ProfileUpdated, traveller, version, number + 1);
            Due {
                key: user_id(planned.user).to_string(),
                event_id: planned.event_id().to_string(),
                value: writer.value(&planned),
            }
        })
        .collect();
    (onboardings, events)
}

/// Reads `count` changes; returns when the change of each event, by its id, arrived first.
fn listen(kafka: &Kafka, from: Vec<i64>, count: u64) -> tokio::task::JoinHandle<HashMap<String, Instant>> {
    let mut config = kafka.client();
    config.set("group.id", "bench").set("enable.auto.commit", "false");
    let mut beginnings = TopicPartitionList::new();
    for (partition, offset) in (0..PARTITIONS).zip(from) {
        let offset = Offset::Offset(offset);
        beginnings.add_partition_offset(SEGMENT_CHANGED, partition, offset).expect("a valid offset");
    }
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer = config.create().expect("a valid client");
        consumer.assign(&beginnings).expect("the topic can be read");
        let mut arrivals = HashMap::new();
        while (arrivals.len() as u64) < count {
            let message = consumer.poll(ARRIVAL_DEADLINE).unwrap_or_else(|| {
                panic!("{} of {count} changes arrived", arrivals.len());
            });
            let message = message.expect("the topic can be read");
            let arrived = Instant::now();
            arrivals.entry(causation_id(message.payload().expect("no change is a tombstone"))).or_insert(arrived);
        }
        arrivals
    })
}

fn causation_id(value: &[u8]) -> String {
    const MEMBER: &str = r#""causationId":""#;
    let text = std::str::from_utf8(value).expect("JSON is UTF-8");
    let (_, rest) = text.split_once(MEMBER).expect("the cause had an id");
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// Sends each event when it is due, or as soon as possible after; returns when the first was due.
async fn send_on_schedule(kafka: &Kafka, events: Vec<Due>) -> Instant {
    let mut config = kafka.client();
    config.set("acks", "all").set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    config.set("linger.ms", "0");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a valid client");
    producer.client().fetch_metadata(Some(PROFILE_UPDATED), ARRIVAL_DEADLINE).expect("the broker answers");
    // An idempotent producer waits for its identity before it sends.
    let started = Instant::now() + Duration::from_secs(2);
    for (number, due) in (0..).zip(&events) {
        let at = due_at(started, number);
        if at > Instant::now() {
            tokio::time::sleep_until(at.into()).await;
        }
        let record = BaseRecord::to(PROFILE_UPDATED).key(due.key.as_bytes()).payload(&due.value);
        producer.send(record).unwrap_or_else(|(error, _)| panic!("{error}"));
    }
    producer.flush(ARRIVAL_DEADLINE).expect("the broker takes all");
    started
}
