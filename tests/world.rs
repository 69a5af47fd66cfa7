//! Shared by many tests: a migrated database, a store on it, events, and the oracle of the expected rows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use segmenter::domain::event::{Body, Cause, Event, Millis, Stamp, UserId};
use segmenter::domain::fold::engine_input;
use segmenter::domain::profile::Profile;
use segmenter::domain::ranking_change::RankingChange;
use segmenter::domain::row::RowContent;
use segmenter::domain::scoring::{self, Catalog};
use segmenter::domain::section::{Activities, Budget, BudgetRange, Section, Token, Travel};
use segmenter::migrate::schema::Platform;
use segmenter::migrate::{self, Limits, RunOptions};
use segmenter::store::Store;
use segmenter::store::apply::Progress;
use segmenter::store::connect::Connect;
use segmenter::store::outbox::{Content, Publication};
use segmenter::store::revision_clock::RevisionClock;
use segmenter::store::sql::Pool;
use segmenter::store::task::ItemOutcome;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};
use uuid::Uuid;

use crate::support::{Database, postgres};

/// A database of the platform, with its IA-002.1 and with our migrations.
pub async fn migrated_database() -> Database {
    let database = postgres().upstream_after_ia().await;
    migrate(&database).await;
    database
}

/// Runs our migrations.
pub async fn migrate(database: &Database) {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    migrate::run(&mut connection, RunOptions::default(), &Limits::default(), &mut |_| {}).await.unwrap();
    connection.close().await.unwrap();
}

/// A store, as of one process.
pub async fn store_on(pool: &PgPool) -> Store {
    Store {
        pool: Pool::new(connect_as(pool)),
        catalog: Arc::new(Catalog::builtin().unwrap()),
        has_users: Platform::detect(&mut pool.acquire().await.unwrap()).await.unwrap().has_users,
        owner: Uuid::new_v4(),
        lease: Duration::from_secs(30),
        revisions: RevisionClock::default(),
    }
}

/// How the service connects to the database of `pool`, with its options and its number of connections.
pub fn connect_as(pool: &PgPool) -> Connect {
    let options = pool.connect_options();
    let mut url = options.to_url_lossy();
    if let Some(options) = options.get_options() {
        url.query_pairs_mut().append_pair("options", options);
    }
    Connect {
        url: url.as_str().parse().unwrap(),
        application_name: options.get_application_name().unwrap_or("segmenter").to_owned(),
        max_connections: pool.options().get_max_connections(),
        timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(20),
        pooled: false,
        read_only: false,
    }
}

/// Applies a batch; returns the outcomes and the changes of its outbox rows.
pub async fn apply(store: &Store, events: &[Event]) -> (Vec<ItemOutcome>, Vec<RankingChange>) {
    let mut progress = Progress::new(events);
    store.advance(&mut progress).await.unwrap();
    let publications = std::mem::take(&mut progress.publications);
    (progress.into_outcomes().collect(), publications.into_iter().flat_map(changes).collect())
}

fn changes(publication: Publication) -> Vec<RankingChange> {
    match publication.content {
        Content::Changes(changes) => changes,
        Content::Users(_) => Vec::new(),
    }
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn token(word: &str) -> Token {
    Token::new(word).unwrap()
}

/// The time `offset` ms into the year 2026.
pub fn time(offset: i64) -> Millis {
    Millis(1_767_225_600_000 + offset)
}

pub fn budget(min: f64, max: f64) -> Section {
    Section::Budget(Budget { global_range: Some(BudgetRange { min, max, currency: None }) })
}

pub fn group(word: &str) -> Section {
    Section::Travel(Travel { types: vec![token("CULTURAL")], group_types: vec![token(word)], ..Travel::default() })
}

pub fn pace(word: &str) -> Section {
    Section::Activities(Activities { activity_level: Some(token(word)), ..Activities::default() })
}

pub fn onboarding(name: &str, at: i64, sections: Vec<Section>) -> Event {
    Event {
        user: user(name),
        stamp: Stamp { time: time(at), id: format!("onboarding-{at}").into(), decoder: 1 },
        body: Body::Onboarding(sections),
        cause: Cause { causation_id: Some(format!("onboarding-{at}").into()), ..Cause::default() },
        key_differs: false,
    }
}

pub fn update(name: &str, at: i64, sections: Vec<Section>) -> Event {
    Event { body: Body::Update(sections), ..onboarding(name, at, Vec::new()) }
}

pub fn tombstone(name: &str, at: i64) -> Event {
    let stamp = Stamp { time: time(at), id: "".into(), decoder: 1 };
    Event { body: Body::Tombstone, stamp, ..onboarding(name, at, Vec::new()) }
}

/// The expected four columns and vector of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedRow {
    pub segments: serde_json::Value,
    pub primary_segment: Option<String>,
    pub confidence: Option<f64>,
    pub last_update: String,
    pub vector: serde_json::Value,
}

/// The oracle: a sequential merge of every accepted event, scored with the engine.
pub fn oracle<'e>(events: impl IntoIterator<Item = &'e Event>) -> BTreeMap<String, ExpectedRow> {
    let catalog = Catalog::builtin().unwrap();
    let mut profiles: BTreeMap<String, Profile> = BTreeMap::new();
    for event in events {
        profiles.entry(event.user.to_string()).or_default().merge(event);
    }
    let expected = |profile: &Profile| {
        profile.onboarded()?;
        let logical_time = profile.logical_time()?;
        let segmentation = scoring::segment(&engine_input(profile, logical_time), &catalog);
        let row = RowContent::new(&segmentation, &catalog, logical_time);
        Some(ExpectedRow {
            segments: serde_json::to_value(&row.segments).unwrap(),
            primary_segment: row.primary_segment().map(str::to_owned),
            confidence: row.segment_confidence(),
            last_update: row.last_segment_update.to_string(),
            vector: serde_json::to_value(row.vector).unwrap(),
        })
    };
    profiles.iter().filter_map(|(user, profile)| Some((user.clone(), expected(profile)?))).collect()
}

/// The rows of the users that have segments.
pub async fn table(pool: &PgPool) -> BTreeMap<String, ExpectedRow> {
    type Row = (String, String, Option<String>, Option<f64>, String, String);
    let rows: Vec<Row> = sqlx::query_as(
        r#"select "userId", segments::text, "primarySegment", "segmentConfidence",
                  to_char("lastSegmentUpdate", 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), vector::text
           from public.user_vectors where segments is not null"#,
    )
    .fetch_all(pool)
    .await
    .unwrap();
    rows.into_iter()
        .map(|(user, segments, primary_segment, confidence, last_update, vector)| {
            let row = ExpectedRow {
                segments: serde_json::from_str(&segments).unwrap(),
                primary_segment,
                confidence,
                last_update,
                vector: serde_json::from_str(&vector).unwrap(),
            };
            (user, row)
        })
        .collect()
}

/// Compares table and oracle; panics with the first user that differs.
pub async fn assert_table_equals_oracle<'e>(pool: &PgPool, events: impl IntoIterator<Item = &'e Event>) {
    let (found, expected) = (table(pool).await, oracle(events));
    let users: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let wrong: Vec<_> = users.into_iter().filter(|user| found.get(*user) != expected.get(*user)).collect();
    assert!(
        wrong.is_empty(),
        "{} users differ; the first, {}: {:#?} in the table, {:#?} expected",
        wrong.len(),
        wrong[0],
        found.get(wrong[0]),
        expected.get(wrong[0])
    );
}
