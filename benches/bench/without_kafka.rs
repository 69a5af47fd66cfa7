//! All that the service does but Kafka: events are decoded, folded and written by its store on as many connections as it has
//! by default, and their changes encoded, with no broker and no client of one beside it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use segmenter::engine::Catalog;
use segmenter::event::{Event, Kind};
use segmenter::pipeline::segment_changed;
use segmenter::store::Store;
use segmenter::store::apply::{Progress, transaction_deadline};
use segmenter::store::connect::{self, Connect};
use segmenter::store::drawn_ids::DrawnIds;
use segmenter::store::outbox::{self, Content, Publication};
use uuid::Uuid;

use crate::history::Planned;
use crate::processes::own_cpu_seconds;
use crate::support::Database;
use crate::wire::{Encoding, Writer, decode};
use crate::world::{World, Written, settle};

/// Events in a batch, and how many batches are written at a time, as the service has them.
const BATCH: usize = 500;
const WRITERS: u64 = 3;
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Events whose values lie in memory at a time.
const PORTION: usize = 50_000;

/// What a backlog takes without Kafka.
#[derive(Debug, Clone, Copy)]
pub struct WithoutKafka {
    pub events_per_second: f64,
    /// Rows of `user_vectors` that were inserted or updated.
    pub rows_per_event: f64,
    /// CPU an event, µs.
    pub own_cpu: f64,
    pub postgres_cpu: f64,
}

/// Works through the events, whose values are made beforehand.
pub async fn measure(world: &World, database: &Database, planned: Vec<Planned>, encoding: Encoding) -> WithoutKafka {
    let store = store(database);
    settle(database).await;
    let before = Written::by(database).await;
    let (mut seconds, mut own_cpu, mut postgres_cpu) = (0.0, 0.0, 0.0);
    for portion in planned.chunks(PORTION) {
        let queues = tokio::task::block_in_place(|| queues(portion, encoding));
        let (started, own, postgres) = (Instant::now(), own_cpu_seconds(), world.postgres_cpu());
        let writing: Vec<_> =
            queues.into_iter().map(|values| tokio::spawn(work_through(store.clone(), values, encoding))).collect();
        for one in writing {
            one.await.expect("no writer panics");
        }
        seconds += started.elapsed().as_secs_f64();
        own_cpu += own_cpu_seconds() - own;
        postgres_cpu += world.postgres_cpu() - postgres;
    }
    // The server has counted the rows of a session once that has ended.
    store.pool.close().await;
    let events = planned.len() as f64;
    WithoutKafka {
        events_per_second: events / seconds,
        rows_per_event: Written::by(database).await.since(before).rows / events,
        own_cpu: 1e6 * own_cpu / events,
        postgres_cpu: 1e6 * postgres_cpu / events,
    }
}

/// A connection for each writer, and one for what is deleted beside them.
fn store(database: &Database) -> Store {
    let connect = Connect {
        options: database.url().parse().expect("a valid address"),
        max_connections: u32::try_from(WRITERS).expect("few writers") + 1,
        timeout: Duration::from_secs(10),
        statement_timeout: STATEMENT_TIMEOUT,
        pooled: false,
        read_only: false,
    };
    Store {
        pool: connect::pool(&connect),
        catalog: Arc::new(Catalog::builtin().expect("the catalog that is compiled in is valid")),
        has_users: true,
        owner: Uuid::new_v4(),
        drawn: DrawnIds::default(),
        lease: Duration::from_secs(30),
        deadline: transaction_deadline(STATEMENT_TIMEOUT),
    }
}

type Value = (Kind, Vec<u8>);

/// The values of each writer, in their order: all of a user's events are one writer's.
fn queues(planned: &[Planned], encoding: Encoding) -> Vec<Vec<Value>> {
    let writer = Writer::new(encoding);
    let of_writer = |place: u64| planned.iter().filter(move |event| event.user % WRITERS == place);
    let value = |event: &Planned| (event.kind, writer.value(event));
    (0..WRITERS).map(|place| of_writer(place).map(value).collect()).collect()
}

async fn work_through(store: Store, values: Vec<Value>, encoding: Encoding) {
    let mut deleting = tokio::spawn(async {});
    for batch in values.chunks(BATCH) {
        let events: Vec<Event> = batch.iter().map(|(kind, value)| decode(*kind, value)).collect();
        let mut progress = Progress::new(&events);
        store.advance(&mut progress).await.expect("batches can be written");
        encode(&store.catalog, &progress.publications, encoding);
        let ids: Vec<i64> = progress.publications.iter().map(|publication| publication.id).collect();
        deleting.await.expect("no deletion panics");
        let store = store.clone();
        deleting = tokio::spawn(async move {
            outbox::delete(&store.pool, store.owner, &ids).await.expect("outbox rows can be deleted");
        });
    }
    deleting.await.expect("no deletion panics");
}

/// Encodes the changes, as far as their records.
fn encode(catalog: &Catalog, publications: &[Publication], encoding: Encoding) {
    let encoding = match encoding {
        Encoding::Json => segment_changed::Encoding::Json,
        Encoding::Avro => segment_changed::Encoding::Avro,
    };
    for publication in publications {
        let Content::Changes(changes) = &publication.content else { panic!("a fold says changes") };
        for change in changes {
            std::hint::black_box(segment_changed::record(change, catalog, encoding));
        }
    }
}
