//! The cost of an event with few users and with many.

use std::path::Path;

use crate::backlog::Backlog;
use crate::history::History;
use crate::report::Report;
use crate::service::work_through;
use crate::size::Size;
use crate::wire::Encoding;
use crate::world::World;

pub async fn measure(program: &Path, world: &World, size: &Size, report: &mut Report) {
    for users in size.scale_users {
        eprintln!("bench: scale, {users} users");
        let rounds = size.rounds as u64;
        let database = world.platform(program, users + rounds * size.scale_events / 5).await;
        let mut history = History::new(*users);
        let onboardings = Backlog::produce(&world.kafka, history.onboardings(*users), Encoding::Json).await;
        work_through(program, world, &database, &onboardings).await;
        database.run("vacuum analyze").await;
        for _ in 0..rounds {
            let planned = history.mixed(size.scale_events);
            let backlog = Backlog::produce(&world.kafka, planned, Encoding::Json).await;
            let cost = work_through(program, world, &database, &backlog).await;
            report
                .section(&format!("scale: {} events among {users} users", size.scale_events))
                .figure("events", "1/s", cost.events_per_second)
                .figure("own CPU an event", "µs", cost.own_cpu)
                .figure("PostgreSQL CPU an event", "µs", cost.postgres_cpu)
                .figure("WAL an event", "bytes", cost.wal_bytes_per_event)
                .figure("full-page images an event", "", cost.full_pages_per_event)
                .figure("peak memory", "MiB", cost.peak_memory);
        }
    }
}
