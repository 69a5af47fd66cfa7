//! The low mark: a consumer that processes one record at a time, as consumers with an ORM do. It reads a record, looks the
//! row up, scores, writes with the statements of Prisma's `upsert`, publishes the change, waits for the ack and commits. It
//! keeps no registers and no outbox, so it does less than the service and guarantees less.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use segmenter::codec::segment_changed;
use segmenter::domain::event::{Event, Kind, Millis, UserId};
use segmenter::domain::ranking_change::{ChangeBody, NewRanking, RankingChange, Trigger};
use segmenter::domain::row::RowContent;
use segmenter::domain::scoring::{Catalog, RankedSegment, Reasons};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;

use crate::backlog::{Backlog, SEGMENT_CHANGED};
use crate::ceiling::row;
use crate::processes::own_cpu_seconds;
use crate::support::Database;
use crate::wire::decode;
use crate::world::{World, connect, settle};

/// The cost of an event, one at a time.
#[derive(Debug, Clone, Copy)]
pub struct OneByOne {
    pub events_per_second: f64,
    /// CPU of the consuming process, µs an event.
    pub own_cpu: f64,
    /// PostgreSQL's, µs an event.
    pub postgres_cpu: f64,
}

/// Processes the first `events` onboardings of the backlog, whose users already have a row.
pub async fn measure(world: &World, database: &Database, backlog: &Backlog, events: u64) -> OneByOne {
    settle(database).await;
    let mut config = world.kafka.client();
    config.set("group.id", "low-mark").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a valid client");
    consumer.assign(backlog.starts()).expect("the topics can be read");
    let mut config = world.kafka.client();
    config.set("acks", "all").set("enable.idempotence", "true").set("linger.ms", "0");
    let producer: FutureProducer = config.create().expect("a valid client");
    let catalog = Catalog::builtin().expect("the catalog that is compiled in is valid");
    let mut connection = connect(database).await;

    // The first record waits for connections and identities.
    one(&consumer, &mut connection, &producer, SEGMENT_CHANGED, &catalog).await;
    let (started, cpu, postgres) = (Instant::now(), own_cpu_seconds(), world.postgres_cpu());
    for _ in 1..events {
        one(&consumer, &mut connection, &producer, SEGMENT_CHANGED, &catalog).await;
    }
    let done = (events - 1) as f64;
    OneByOne {
        events_per_second: done / started.elapsed().as_secs_f64(),
        own_cpu: 1e6 * (own_cpu_seconds() - cpu) / done,
        postgres_cpu: 1e6 * (world.postgres_cpu() - postgres) / done,
    }
}

async fn one(
    consumer: &BaseConsumer,
    connection: &mut PgConnection,
    producer: &FutureProducer,
    changes: &str,
    catalog: &Catalog,
) {
    let message = tokio::task::block_in_place(|| consumer.poll(Duration::from_secs(30)));
    let message = message.expect("there are more records").expect("the topic can be read");
    let event = decode(Kind::OnboardingCompleted, message.payload().expect("a value"));
    let row = row(&event, catalog);
    upsert(connection, &event.user, &row).await.expect("the row can be written");
    let value = segment_changed::record(&change(&event, &row), catalog, segment_changed::Encoding::Json);
    let value = value.expect("changes can be encoded").value.expect("no change is a tombstone");
    let record: FutureRecord<'_, str, [u8]> = FutureRecord::to(changes).key(event.user.as_str()).payload(&value);
    producer.send(record, Duration::from_secs(30)).await.unwrap_or_else(|(error, _)| panic!("{error}"));
    tokio::task::block_in_place(|| consumer.commit_message(&message, CommitMode::Sync))
        .expect("the offset is committed");
}

fn change(event: &Event, row: &RowContent) -> RankingChange {
    let primary = row.segments.first().expect("every onboarding is ranked");
    let ranked = RankedSegment { segment: primary.segment.clone(), score: primary.score, reasons: Reasons::new() };
    let body = ChangeBody::Ranking(Arc::new(NewRanking {
        previous: Vec::new(),
        ranking: vec![ranked],
        catalog_version: 1,
        occurred_at: event.stamp.time,
        trigger: Trigger::Onboarding,
        causation_id: event.cause.causation_id.clone(),
        correlation_id: None,
        traceparent: None,
        replay_id: None,
    }));
    RankingChange { user: event.user.clone(), revision: 1, body }
}

const FIND: &str = r#"SELECT "public"."user_vectors"."id", "public"."user_vectors"."userId", "public"."user_vectors"."vector", 
"public"."user_vectors"."version", "public"."user_vectors"."source", "public"."user_vectors"."segments", 
"public"."user_vectors"."primarySegment", "public"."user_vectors"."segmentConfidence", 
"public"."user_vectors"."lastSegmentUpdate", "public"."user_vectors"."usageCount", "public"."user_vectors"."lastUsedAt", 
"public"."user_vectors"."createdAt", "public"."user_vectors"."updatedAt"
FROM "public"."user_vectors" WHERE ("public"."user_vectors"."userId" = $1 AND 1=1) LIMIT 1 OFFSET 0"#;

/// Prisma's statements for `findUnique`, and then for `upsert` of an existing row.
async fn upsert(connection: &mut PgConnection, user: &UserId, row: &RowContent) -> Result<(), sqlx::Error> {
    sqlx::query(FIND).bind(user.as_str()).fetch_optional(&mut *connection).await?;
    let mut transaction = connection.begin().await?;
    let id: String = sqlx::query_scalar(
        r#"SELECT "public"."user_vectors"."id" FROM "public"."user_vectors" WHERE ("public"."user_vectors"."userId" = $1 AND 1=1)"#,
    )
    .bind(user.as_str())
    .fetch_one(&mut *transaction)
    .await?;
    let Millis(updated) = row.last_segment_update;
    sqlx::query(
        r#"UPDATE "public"."user_vectors" SET "vector" = $1, "segments" = $2, "primarySegment" = $3,
           "segmentConfidence" = $4, "lastSegmentUpdate" = to_timestamp($5::float8 / 1000) at time zone 'UTC', "updatedAt" = now() at time zone 'UTC'
           WHERE ("public"."user_vectors"."id" IN ($6) AND 1=1)"#,
    )
    .bind(Json(&row.vector))
    .bind(Json(&row.segments))
    .bind(row.primary_segment())
    .bind(row.segment_confidence())
    .bind(updated as f64)
    .bind(&id)
    .execute(&mut *transaction)
    .await?;
    sqlx::query(FIND).bind(user.as_str()).fetch_one(&mut *transaction).await?;
    transaction.commit().await
}
