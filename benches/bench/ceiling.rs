//! The ceiling: only the upserts of `user_vectors` rows, with the service's own statement, from two connections.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use segmenter::domain::event::{Event, Kind, UserId};
use segmenter::domain::fold::engine_input;
use segmenter::domain::profile::Profile;
use segmenter::domain::row::RowContent;
use segmenter::domain::scoring::{self, Catalog};
use segmenter::store::sql::Sessions;
use segmenter::store::user_vectors::{self, RowIds};

use crate::history::{History, Planned, user_id};
use crate::processes::own_cpu_seconds;
use crate::support::Database;
use crate::wire::{Encoding, Writer, decode};
use crate::world::{World, connect, settle};

/// Rows in a statement: as many as the service's records in a batch.
const BATCH: usize = 500;
const CONNECTIONS: usize = 2;

/// The cost of a bare row.
#[derive(Debug, Clone, Copy)]
pub struct BareRow {
    pub rows_per_second: f64,
    /// PostgreSQL's CPU, µs.
    pub postgres_cpu: f64,
    /// CPU of the writing process, µs.
    pub own_cpu: f64,
}

/// The costs of updates and inserts, to be weighted as in a mixed backlog.
#[derive(Debug, Clone, Copy)]
pub struct Ceiling {
    pub updates: BareRow,
    pub inserts: BareRow,
}

/// The share of updates among the writing events of a mixed backlog.
const UPDATES: f64 = 8.0 / 9.0;

impl Ceiling {
    /// Rows a second of the mix.
    pub fn rows_per_second(&self) -> f64 {
        1.0 / (UPDATES / self.updates.rows_per_second + (1.0 - UPDATES) / self.inserts.rows_per_second)
    }

    /// PostgreSQL's CPU for a row of the mix, µs.
    pub fn postgres_cpu(&self) -> f64 {
        UPDATES * self.updates.postgres_cpu + (1.0 - UPDATES) * self.inserts.postgres_cpu
    }

    /// CPU of the writing process for a row of the mix, µs.
    pub fn own_cpu(&self) -> f64 {
        UPDATES * self.updates.own_cpu + (1.0 - UPDATES) * self.inserts.own_cpu
    }
}

/// A database with only users and their rows.
pub struct Bare {
    pub database: Database,
    history: History,
}

impl Bare {
    /// `users` have a row; `more` can get one.
    pub async fn create(program: &Path, world: &World, users: u64, more: u64) -> Self {
        let database = world.platform(program, users + more).await;
        let mut history = History::new(1);
        let onboardings = history.onboardings(users);
        upsert_all(&database, onboardings).await;
        database.run("vacuum analyze").await;
        Self { database, history }
    }

    /// Updates and inserts as many rows as a mixed backlog of `events` would.
    pub async fn measure(&mut self, world: &World, events: u64) -> Ceiling {
        let planned = self.history.mixed(events);
        let (inserts, mut updates): (Vec<_>, Vec<_>) =
            planned.into_iter().partition(|event| event.kind == Kind::OnboardingCompleted);
        // A duplicate writes nothing.
        let mut seen = BTreeSet::new();
        updates.retain(|event| seen.insert(event.id));
        Ceiling {
            updates: timed(world, &self.database, updates).await,
            inserts: timed(world, &self.database, inserts).await,
        }
    }
}

async fn timed(world: &World, database: &Database, planned: Vec<Planned>) -> BareRow {
    settle(database).await;
    let cpu = world.postgres_cpu();
    let Upserted { rows, seconds, own_cpu_seconds } = upsert_all(database, planned).await;
    BareRow {
        rows_per_second: rows / seconds,
        postgres_cpu: 1e6 * (world.postgres_cpu() - cpu) / rows,
        own_cpu: 1e6 * own_cpu_seconds / rows,
    }
}

type Row = (UserId, RowContent);

struct Upserted {
    rows: f64,
    seconds: f64,
    own_cpu_seconds: f64,
}

/// Upserts the rows of the events.
async fn upsert_all(database: &Database, planned: Vec<Planned>) -> Upserted {
    let batches = tokio::task::spawn_blocking(move || batches(&planned)).await.expect("no panic");
    let rows: usize = batches.iter().flatten().map(Vec::len).sum();
    let mut connections = Vec::new();
    for batches in batches {
        connections.push((connect(database).await, batches));
    }
    let (started, cpu) = (Instant::now(), own_cpu_seconds());
    let writing: Vec<_> = connections
        .into_iter()
        .map(|(mut connection, batches)| {
            tokio::spawn(async move {
                for batch in batches {
                    let rows: Vec<(&UserId, &RowContent)> = batch.iter().map(|(user, row)| (user, row)).collect();
                    user_vectors::upsert(&mut connection, &rows, RowIds::Derived, &Sessions::own())
                        .await
                        .expect("rows can be written");
                }
            })
        })
        .collect();
    for one in writing {
        one.await.expect("no connection panics");
    }
    Upserted { rows: rows as f64, seconds: started.elapsed().as_secs_f64(), own_cpu_seconds: own_cpu_seconds() - cpu }
}

/// The batches of each connection. All rows of a user go through the same one, as in the service.
fn batches(planned: &[Planned]) -> Vec<Vec<Vec<Row>>> {
    let catalog = Catalog::builtin().expect("the catalog that is compiled in is valid");
    let writer = Writer::new(Encoding::Json);
    let mut connections: Vec<Vec<Vec<Row>>> = vec![Vec::new(); CONNECTIONS];
    for event in planned {
        let place = usize::try_from(event.user).expect("it fits into memory") % CONNECTIONS;
        let user = UserId::new(&user_id(event.user).to_string()).expect("a valid id");
        let row = row(&decode(event.kind, &writer.value(event)), &catalog);
        let batches = &mut connections[place];
        match batches.last_mut() {
            // A statement cannot write a row twice.
            Some(batch) if batch.len() < BATCH && batch.iter().all(|(held, _)| *held != user) => {
                batch.push((user, row))
            }
            _ => batches.push(vec![(user, row)]),
        }
    }
    for batch in connections.iter_mut().flatten() {
        batch.sort_by(|(one, _), (other, _)| one.cmp(other));
    }
    connections
}

/// The row of a user with this event alone.
pub fn row(event: &Event, catalog: &Catalog) -> RowContent {
    let mut profile = Profile::default();
    profile.merge(event);
    let segmentation = scoring::segment(&engine_input(&profile, event.stamp.time), catalog);
    RowContent::new(&segmentation, catalog, event.stamp.time)
}
