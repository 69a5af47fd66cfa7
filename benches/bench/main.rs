//! What is promised of speed, measured on a real Kafka and a real PostgreSQL and held against its bars: `make bench`.
//!
//! ```text
//! size, report       how much is measured; figures, bars, the table
//! world, processes   the servers with fixed settings; what processes use
//! history, wire      seeded events, in JSON and Avro
//! backlog, service   events in topics; the release binary at work on them
//! ceiling            the database alone
//! consume, produce   Kafka alone
//! without_kafka      all but Kafka
//! latency, low_mark  a steady rate; a row at a time
//! scale              from few users to many
//! micro_figures      what benches/micro.rs found
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement fails by panicking, and tells by printing"
)]
#![allow(unreachable_pub, reason = "shares files with the tests")]

mod backlog;
mod ceiling;
mod consume;
mod history;
mod latency;
mod low_mark;
mod micro_figures;
mod processes;
mod produce;
mod report;
mod scale;
mod service;
mod size;
#[path = "../../tests/support/mod.rs"]
mod support;
mod wire;
mod without_kafka;
mod world;

use std::path::Path;

use backlog::Backlog;
use ceiling::{Bare, Ceiling};
use history::History;
use report::{Bar, Report};
use service::{Cost, work_through};
use size::Size;
use support::Database;
use wire::Encoding;
use world::World;

/// As the service's, so that what it does costs here what it costs there.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asks_for = |word: &str| arguments.iter().any(|argument| argument == word);
    // Cargo says so when it is to be measured; `cargo test --benches` is not to wait for it.
    if !asks_for("--bench") {
        return;
    }
    let size = if asks_for("quick") { Size::QUICK } else { Size::FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(measure(&size, asks_for("scale")));
    print!("{}", report.table());
}

/// Keeps what has been measured so far, whatever comes after.
fn keep(report: &Report) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder).expect("target/ is writable");
    let json = serde_json::to_string_pretty(&report.json()).expect("figures are finite");
    std::fs::write(folder.join("report.json"), json).expect("target/ is writable");
    std::fs::write(folder.join("report.txt"), report.table()).expect("target/ is writable");
}

async fn measure(size: &Size, with_scale: bool) -> Report {
    let mut report = Report::default();
    report.setting = processes::machine();
    report.setting.push((
        "size".to_owned(),
        format!("{}: {} users, backlogs of {} events, {} rounds", size.name, size.users, size.events, size.rounds),
    ));
    let world = World::start().await;
    let mut scene = Scene::set(&world, size, &mut report).await;
    report.setting.extend(world.settings(&scene.database).await);
    for round in 1..=size.rounds {
        eprintln!("bench: round {round} of {}", size.rounds);
        scene.play(&mut report).await;
        keep(&report);
    }
    drop(scene);
    if with_scale {
        scale::measure(&world, size, &mut report).await;
    }
    micro_figures::add_to(&mut report);
    keep(&report);
    report
}

/// What all rounds share.
struct Scene<'w> {
    world: &'w World,
    size: &'w Size,
    bare: Bare,
    /// The service's.
    database: Database,
    history: History,
    onboardings: Backlog,
    /// Of the travellers whose changes are timed.
    next_traveller: u64,
}

impl<'w> Scene<'w> {
    /// Two databases: one with bare rows, one in which the service has onboarded the users.
    async fn set(world: &'w World, size: &'w Size, report: &mut Report) -> Self {
        let rounds = size.rounds as u64;
        eprintln!("bench: {} users get a bare row", size.users);
        let bare = Bare::create(world, size.users, rounds * size.events / 5).await;
        // A round has four backlogs, of whose events a tenth are onboardings; there are twice as many users.
        let next_traveller = size.users + 4 * rounds * size.events / 5;
        let database = world.platform(next_traveller + rounds * latency::TRAVELLERS).await;
        let mut history = History::new(2);
        eprintln!("bench: the service onboards {} users", size.users);
        let planned = history.onboardings(size.users);
        let onboardings = Backlog::produce(&world.kafka, planned, Encoding::Json).await;
        let cost = work_through(world, &database, &onboardings, "onboardings", Encoding::Json).await;
        tell(report, "onboarding of all users, JSON", &cost);
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
        let latency = latency::measure(world, &self.database, self.next_traveller, size.latency_seconds).await;
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

    /// A new backlog: written, read bare, and written again when nothing is new.
    async fn backlog_of(&mut self, encoding: Encoding, ceiling: &Ceiling, report: &mut Report) {
        let (world, name) = (self.world, encoding.name());
        eprintln!("bench: backlog in {name}");
        let planned = self.history.mixed(self.size.events);
        let backlog = Backlog::produce(&world.kafka, planned, encoding).await;
        let group = backlog.topics.onboarding.clone();
        let cost = work_through(world, &self.database, &backlog, &group, encoding).await;
        let section = format!("pipeline, {name}");
        tell(report, &section, &cost);
        let cpu_bar = match encoding {
            Encoding::Json => 20.0,
            Encoding::Avro => 30.0,
        };
        report
            .section(&section)
            .figure("rows ÷ ceiling", "", cost.rows_per_second / ceiling.rows_per_second())
            .figure("PostgreSQL CPU ÷ a bare row's", "", cost.postgres_cpu / ceiling.postgres_cpu())
            .figure("memory once warm, ±", "%", cost.memory_swing())
            .figure("an event's value", "bytes", backlog.value_bytes)
            .hold("rows ÷ ceiling", Bar::AtLeast(0.6))
            .hold("own CPU an event", Bar::AtMost(cpu_bar))
            .hold("PostgreSQL CPU ÷ a bare row's", Bar::AtMost(1.5))
            .hold("peak memory", Bar::AtMost(150.0))
            .hold("memory once warm, ±", Bar::AtMost(10.0));

        eprintln!("bench: raw consume in {name}");
        let consumed = consume::measure(world, &backlog).await;
        report.section(&format!("raw consume, {name}")).figure("records", "1/s", consumed.records_per_second).figure(
            "CPU a record",
            "µs",
            consumed.cpu,
        );

        eprintln!("bench: raw produce of what was said in {name}");
        let produced = produce::measure(world, &backlog).await;
        report
            .section(&format!("raw produce of what was said, {name}"))
            .figure("records", "1/s", produced.records_per_second)
            .figure("CPU a record", "µs", produced.cpu);

        eprintln!("bench: replay in {name}");
        let replayed = work_through(world, &self.database, &backlog, &format!("{group}-again"), encoding).await;
        let section = format!("replay of the same backlog, {name}: nothing is new");
        report
            .section(&section)
            .figure("events", "1/s", replayed.events_per_second)
            .figure("events ÷ the pipeline's", "", replayed.events_per_second / cost.events_per_second)
            .hold("events ÷ the pipeline's", Bar::AtLeast(4.0))
            .figure("own CPU an event", "µs", replayed.own_cpu)
            .figure("PostgreSQL CPU an event", "µs", replayed.postgres_cpu)
            .figure("rows written", "rows/s", replayed.rows_per_second);
        let kafka_cpu = consumed.cpu + cost.changes_per_event * produced.cpu + cost.kafka_cpu;
        self.parts_in(encoding, kafka_cpu, ceiling, report).await;
    }

    /// All but Kafka, and what that and Kafka's share, measured before, add up to. `kafka_cpu` is in µs an event.
    async fn parts_in(&mut self, encoding: Encoding, kafka_cpu: f64, ceiling: &Ceiling, report: &mut Report) {
        let (world, name) = (self.world, encoding.name());
        eprintln!("bench: all but Kafka in {name}");
        let planned = self.history.mixed(self.size.events);
        let rest = without_kafka::measure(world, &self.database, planned, encoding).await;
        report
            .section(&format!("all but Kafka, {name}: decoded, written, encoded"))
            .figure("events", "1/s", rest.events_per_second)
            .figure("own CPU an event", "µs", rest.own_cpu)
            .figure("PostgreSQL CPU an event", "µs", rest.postgres_cpu)
            .figure("PostgreSQL CPU ÷ a bare row's", "", rest.postgres_cpu / ceiling.postgres_cpu());

        let parts = rest.own_cpu + rest.postgres_cpu + kafka_cpu;
        let rows_per_second = rest.rows_per_event * 1e6 * processes::cores() / parts;
        report
            .section(&format!("the parts of the pipeline, {name}, each measured by itself"))
            .figure("CPU of all of them an event", "µs", parts)
            .figure("rows ÷ ceiling with every core full of them", "", rows_per_second / ceiling.rows_per_second());
    }
}

/// What every backlog's figures are, but for those with a bar.
fn tell(report: &mut Report, section: &str, cost: &Cost) {
    report
        .section(section)
        .figure("events", "1/s", cost.events_per_second)
        .figure("rows written", "rows/s", cost.rows_per_second)
        .figure("changes said an event", "", cost.changes_per_event)
        .figure("own CPU an event", "µs", cost.own_cpu)
        .figure("PostgreSQL CPU an event", "µs", cost.postgres_cpu)
        .figure("Kafka's CPU an event", "µs", cost.kafka_cpu)
        .figure("WAL an event", "bytes", cost.wal_bytes_per_event)
        .figure("full-page images an event", "", cost.full_pages_per_event)
        .figure("peak memory", "MiB", cost.peak_memory);
}
