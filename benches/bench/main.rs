//! Throughput, CPU, memory and latency, measured on a real Kafka and a real PostgreSQL and compared with their bars:
//! `make bench`.
//!
//! ```text
//! size, report       the sizes of a run; figures, bars, the table
//! world, processes   the servers with fixed settings; CPU and memory of processes
//! history, wire      seeded events, in JSON and Avro
//! backlog, service   events in the input topics; a program that processes them
//! ceiling            the database alone
//! latency, low_mark  a steady rate; a row at a time
//! scale              from few users to many
//! paired             two programs in turn
//! migration          the jobs over all users, beside a row at a time
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement fails by panicking, and reports by printing"
)]
#![allow(unreachable_pub, reason = "shares files with the tests")]

mod backlog;
mod ceiling;
mod history;
mod latency;
mod low_mark;
mod migration;
mod paired;
mod processes;
mod report;
mod scale;
mod service;
mod size;
#[path = "../../tests/support/mod.rs"]
mod support;
mod wire;
mod world;

use std::path::{Path, PathBuf};

use backlog::Backlog;
use ceiling::{Bare, Ceiling};
use history::History;
use report::{Bar, Report};
use service::{Cost, work_through};
use size::Size;
use support::Database;
use wire::Encoding;
use world::World;

/// The service's allocator, so that its code costs the same here.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asks_for = |word: &str| arguments.iter().any(|argument| argument == word);
    // `cargo bench` passes it. Without it, as in `cargo test --benches`, there is nothing to do.
    if !asks_for("--bench") {
        return;
    }
    let size = if asks_for("quick") { Size::QUICK } else { Size::FULL };
    let base = asks_for("paired").then(|| {
        let base = std::env::var_os("BASE").map(PathBuf::from).filter(|base| base.is_file());
        base.expect("BASE names the program to compare with: make bench BENCH=paired BASE=/path/to/segmenter")
    });
    let migration = asks_for("migration").then(migration::users);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(measure(&size, base.as_deref(), migration, asks_for("scale")));
    print!("{}", report.table());
}

/// The program of this build.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_segmenter"))
}

/// Writes the figures so far, so that a later failure does not lose them.
fn keep(report: &Report) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    let json = serde_json::to_string_pretty(&report.json()).expect("figures are finite");
    std::fs::write(folder.join("report.json"), json).expect("target/ is writable");
    std::fs::write(folder.join("report.txt"), report.table()).expect("target/ is writable");
}

async fn measure(size: &Size, base: Option<&Path>, migration: Option<u64>, with_scale: bool) -> Report {
    let mut report = Report::default();
    report.setting = processes::machine();
    let world = World::start().await;
    if let Some(base) = base {
        paired::measure(base, program(), &world, size, &mut report).await;
        keep(&report);
        return report;
    }
    if let Some(users) = migration {
        migration::measure(program(), &world, users, &mut report).await;
        keep(&report);
        return report;
    }
    report.setting.push((
        "size".to_owned(),
        format!("{}: {} users, backlogs of {} events, {} rounds", size.name, size.users, size.events, size.rounds),
    ));
    let mut scene = Scene::set(&world, size, &mut report).await;
    report.setting.extend(world.settings(&scene.database).await);
    for round in 1..=size.rounds {
        eprintln!("bench: round {round} of {}", size.rounds);
        scene.play(&mut report).await;
        keep(&report);
    }
    drop(scene);
    if with_scale {
        scale::measure(program(), &world, size, &mut report).await;
    }
    keep(&report);
    report
}

/// The databases, topics and events that all rounds share.
struct Scene<'w> {
    world: &'w World,
    size: &'w Size,
    bare: Bare,
    /// The service's database.
    database: Database,
    history: History,
    onboardings: Backlog,
    /// The number of the next traveller whose changes are timed.
    next_traveller: u64,
}

impl<'w> Scene<'w> {
    /// Two databases: one with bare rows, one in which the service has onboarded the users.
    async fn set(world: &'w World, size: &'w Size, report: &mut Report) -> Self {
        let rounds = size.rounds as u64;
        eprintln!("bench: {} users get a bare row", size.users);
        let bare = Bare::create(program(), world, size.users, rounds * size.events / 5).await;
        // A round has two backlogs, and a tenth of their events are onboardings; the platform has twice that many users.
        let next_traveller = size.users + 2 * rounds * size.events / 5;
        let database = world.platform(program(), next_traveller + rounds * latency::TRAVELLERS).await;
        let mut history = History::new(2);
        eprintln!("bench: the service onboards {} users", size.users);
        let onboardings = Backlog::produce(&world.kafka, history.onboardings(size.users), Encoding::Json).await;
        let cost = work_through(program(), world, &database, &onboardings).await;
        add(report, "onboarding of all users, JSON", &cost);
        database.run("vacuum analyze").await;
        report.section("onboarding of all users, JSON").figure(
            "disk a user",
            "bytes",
            world::bytes_on_disk(&database).await / size.users as f64,
        );
        Self { world, size, bare, database, history, onboardings, next_traveller }
    }

    /// One round: every section once.
    async fn play(&mut self, report: &mut Report) {
        let (world, size) = (self.world, self.size);
        eprintln!("bench: ceiling");
        let ceiling = self.bare.measure(world, size.events).await;
        report
            .section("ceiling: bare upserts, two connections, 500 rows a statement")
            .figure("updates", "rows/s", ceiling.updates.rows_per_second)
            .figure("inserts", "rows/s", ceiling.inserts.rows_per_second)
            .figure("mix of a backlog", "rows/s", ceiling.rows_per_second())
            .figure("PostgreSQL CPU an update", "µs", ceiling.updates.postgres_cpu)
            .figure("PostgreSQL CPU an insert", "µs", ceiling.inserts.postgres_cpu)
            .figure("PostgreSQL CPU a row of the mix", "µs", ceiling.postgres_cpu())
            .figure("own CPU a row of the mix", "µs", ceiling.own_cpu());
        self.backlog_of(Encoding::Json, &ceiling, report).await;
        self.backlog_of(Encoding::Avro, &ceiling, report).await;

        eprintln!("bench: latency");
        let latency =
            latency::measure(program(), world, &self.database, self.next_traveller, size.latency_seconds).await;
        self.next_traveller += latency::TRAVELLERS;
        report
            .section("latency at 1,000 events/s, from when an event was due to its change's arrival")
            .figure("p50", "ms", latency.p50)
            .figure("p99", "ms", latency.p99)
            .hold("p99", Bar::AtMost(50.0))
            .figure("p99.9", "ms", latency.p999)
            .figure("most", "ms", latency.most)
            .figure("own CPU an event", "µs", latency.own_cpu);

        eprintln!("bench: low mark");
        let low = low_mark::measure(world, &self.bare.database, &self.onboardings, size.low_mark_events).await;
        report
            .section(&format!("low mark: a row at a time, {} events, no registers, no outbox", size.low_mark_events))
            .figure("events", "1/s", low.events_per_second)
            .figure("a backlog, extrapolated", "s", size.events as f64 / low.events_per_second)
            .figure("own CPU an event", "µs", low.own_cpu)
            .figure("PostgreSQL CPU an event", "µs", low.postgres_cpu);
    }

    /// A new backlog: processed once, and once more when all its events are old.
    async fn backlog_of(&mut self, encoding: Encoding, ceiling: &Ceiling, report: &mut Report) {
        let (world, name) = (self.world, encoding.name());
        eprintln!("bench: backlog in {name}");
        let planned = self.history.mixed(self.size.events);
        let backlog = Backlog::produce(&world.kafka, planned, encoding).await;
        let cost = work_through(program(), world, &self.database, &backlog).await;
        let section = format!("pipeline, {name}");
        add(report, &section, &cost);
        report
            .section(&section)
            .figure("rows ÷ ceiling", "", cost.rows_per_second / ceiling.rows_per_second())
            .figure("PostgreSQL CPU ÷ a bare row's", "", cost.postgres_cpu / ceiling.postgres_cpu())
            .figure("memory once warm, ±", "%", cost.memory_swing())
            .figure("an event's value", "bytes", backlog.value_bytes)
            .hold("peak memory", Bar::AtMost(150.0))
            .hold("memory once warm, ±", Bar::AtMost(10.0));

        eprintln!("bench: the same backlog once more, in {name}");
        let again = work_through(program(), world, &self.database, &backlog).await;
        report
            .section(&format!("the same backlog once more, {name}: nothing is new"))
            .figure("events", "1/s", again.events_per_second)
            .figure("events ÷ the pipeline's", "", again.events_per_second / cost.events_per_second)
            .hold("events ÷ the pipeline's", Bar::AtLeast(3.0))
            .figure("own CPU an event", "µs", again.own_cpu)
            .figure("PostgreSQL CPU an event", "µs", again.postgres_cpu)
            .figure("rows written", "rows/s", again.rows_per_second);
    }
}

/// The figures of every backlog.
fn add(report: &mut Report, section: &str, cost: &Cost) {
    report
        .section(section)
        .figure("events", "1/s", cost.events_per_second)
        .figure("rows written", "rows/s", cost.rows_per_second)
        .figure("changes an event", "", cost.changes_per_event)
        .figure("own CPU an event", "µs", cost.own_cpu)
        .figure("PostgreSQL CPU an event", "µs", cost.postgres_cpu)
        .figure("Kafka's CPU an event", "µs", cost.kafka_cpu)
        .figure("whole CPU an event", "µs", cost.whole_cpu())
        .figure("WAL an event", "bytes", cost.wal_bytes_per_event)
        .figure("full-page images an event", "", cost.full_pages_per_event)
        .figure("peak memory", "MiB", cost.peak_memory);
}
