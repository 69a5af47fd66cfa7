//! Two programs in turn on one backlog, each on databases of its own: the cost or gain of a change.
//!
//! Both are configured by `DATABASE_URL` and `KAFKA_BROKERS` alone. The base may have any version that counts records in its
//! metrics and has the table `segmenter.outbox`. Every round starts from a copy of the same database, in which the same
//! program has onboarded the users.

use std::path::Path;
use std::time::Duration;

use crate::backlog::Backlog;
use crate::history::History;
use crate::report::{Bar, Report};
use crate::service::{self, Cost, work_through};
use crate::size::Size;
use crate::support::Database;
use crate::wire::Encoding;
use crate::world::World;
use crate::{latency, processes};

/// How long an idle process is measured.
const IDLE: Duration = Duration::from_secs(20);
/// How long a process is given to become idle.
const BEFORE_IDLE: Duration = Duration::from_secs(5);

/// A program with its database of onboarded users.
struct Candidate<'a> {
    name: &'static str,
    program: &'a Path,
    onboarded: Database,
}

/// Compares `program` with `base`.
pub async fn measure(base: &Path, program: &Path, world: &World, size: &Size, report: &mut Report) {
    let paired = &size.paired;
    let mut history = History::new(3);
    let onboardings = Backlog::produce(&world.kafka, history.onboardings(paired.users), Encoding::Json).await;
    let travellers = paired.users + 2 * paired.events / 5;
    let users = travellers + (paired.rounds as u64) * latency::TRAVELLERS;
    let mut candidates = Vec::new();
    for (name, program) in [("base", base), ("this", program)] {
        eprintln!("bench: {name} onboards {} users", paired.users);
        let onboarded = world.platform(program, users).await;
        work_through(program, world, &onboarded, &onboardings).await;
        onboarded.run("vacuum analyze").await;
        onboarded.pool().close().await;
        candidates.push(Candidate { name, program, onboarded });
    }
    for encoding in [Encoding::Json, Encoding::Avro] {
        let backlog = Backlog::produce(&world.kafka, history.mixed(paired.events), encoding).await;
        for round in 0..paired.rounds {
            backlogs(&candidates, round, world, &backlog, encoding, report).await;
        }
    }
    for round in 0..paired.rounds {
        let (warm_up, seconds) = size.latency_seconds;
        let seconds = (if round == 0 { warm_up } else { warm_up / 6 }, seconds);
        let first = travellers + round as u64 * latency::TRAVELLERS;
        for candidate in in_turn(&candidates, round) {
            eprintln!("bench: latency of {}, round {}", candidate.name, round + 1);
            let database = candidate.onboarded.copy().await;
            let seen = latency::measure(candidate.program, world, &database, first, seconds).await;
            report
                .section(&format!("{}: 1,000 events/s", candidate.name))
                .figure("p50", "ms", seen.p50)
                .figure("p99", "ms", seen.p99)
                .hold("p99", Bar::AtMost(50.0))
                .figure("own CPU an event", "µs", seen.own_cpu)
                .figure("idle, of a core", "%", idle(candidate, world, &database).await)
                .hold("idle, of a core", Bar::AtMost(1.0));
        }
    }
}

/// The second goes first in every other round.
fn in_turn<'a, 'b>(candidates: &'a [Candidate<'b>], round: usize) -> Vec<&'a Candidate<'b>> {
    let mut order: Vec<_> = candidates.iter().collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// One round of a backlog: each program processes it twice.
async fn backlogs(
    candidates: &[Candidate<'_>],
    round: usize,
    world: &World,
    backlog: &Backlog,
    encoding: Encoding,
    report: &mut Report,
) {
    let mut costs: Vec<(&str, Cost)> = Vec::new();
    for candidate in in_turn(candidates, round) {
        let name = candidate.name;
        eprintln!("bench: {name}, {} backlog, round {}", encoding.name(), round + 1);
        let database = candidate.onboarded.copy().await;
        let cost = work_through(candidate.program, world, &database, backlog).await;
        let again = work_through(candidate.program, world, &database, backlog).await;
        let section = format!("{name}: backlog, {}", encoding.name());
        crate::add(report, &section, &cost);
        report
            .section(&section)
            .hold("peak memory", Bar::AtMost(150.0))
            .figure("old events ÷ new events", "", again.events_per_second / cost.events_per_second)
            .hold("old events ÷ new events", Bar::AtLeast(3.0))
            .figure("own CPU an old event", "µs", again.own_cpu);
        costs.push((name, cost));
    }
    costs.sort_by_key(|(name, _)| *name);
    let [(_, base), (_, this)] = costs[..] else { panic!("two programs are compared") };
    report
        .section(&format!("this ÷ base, {}", encoding.name()))
        .figure("events/s", "", this.events_per_second / base.events_per_second)
        .hold("events/s", Bar::AtLeast(0.87))
        .figure("own CPU", "", this.own_cpu / base.own_cpu)
        .figure("PostgreSQL CPU", "", this.postgres_cpu / base.postgres_cpu)
        .figure("Kafka's CPU", "", this.kafka_cpu / base.kafka_cpu)
        .figure("whole CPU", "", this.whole_cpu() / base.whole_cpu())
        .hold("whole CPU", Bar::AtMost(1.15));
}

/// The share of a core that an idle process takes, %.
async fn idle(candidate: &Candidate<'_>, world: &World, database: &Database) -> f64 {
    let service = service::start(candidate.program, world, database).await;
    tokio::time::sleep(BEFORE_IDLE).await;
    let before = processes::cpu_seconds(service.pid());
    tokio::time::sleep(IDLE).await;
    let used = processes::cpu_seconds(service.pid()) - before;
    service::stop(service).await;
    100.0 * used / IDLE.as_secs_f64()
}
