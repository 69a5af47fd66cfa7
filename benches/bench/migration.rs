//! The data migration: the profiles of a platform that has never had segments, worked through by the jobs, beside the platform's own
//! way, which is a row at a time through an ORM.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::processes::{self, Memory};
use crate::report::{Bar, Report};
use crate::support::{Database, Finished, program, source};
use crate::world::{World, settle};

/// Users of a run that names no other number.
const USERS: u64 = 1_000_000;
/// Users that are written a row at a time.
const ONE_BY_ONE: u64 = 20_000;
/// The deadline of one step: an hour for each million users, and an hour at least.
const DEADLINE_PER_MILLION: Duration = Duration::from_secs(3600);
/// How often a step's memory and CPU are read.
const INTERVAL: Duration = Duration::from_millis(100);

/// A completed profile for each user, and a row in `user_vectors` without segments; values vary with a hash of the user's id.
const PROFILES: &str = r#"
insert into public.travel_onboarding_profiles
    (id, "userId", "isCompleted", "updatedAt", "globalBudgetRange", "travelTypes", "travelPurposes", "accommodationTypes",
     "accommodationLevel", "activityTypes", "interestCategories", "activityLevel", "travelGroupTypes", "travelWithChildren",
     "childrenAges", "riskTolerance", "climatePreferences", "preferredDestinations")
select 'p-' || id, id, true, timestamp '2025-01-01' + h % 300 * interval '1 day',
       jsonb_build_object('min', 100 + h % 60 * 50, 'max', 600 + h % 60 * 50 + h % 97 * 50, 'currency', 'EUR'),
       array[(enum_range(null::"TravelType"))[1 + h % 16], (enum_range(null::"TravelType"))[1 + h / 16 % 16]],
       array['time together'],
       array[(array['HOTEL', 'APARTMENT', 'HOSTEL', 'RESORT'])[1 + h / 3 % 4]],
       (enum_range(null::"ComfortLevel"))[1 + h / 5 % 4],
       array[(array['MUSEUMS', 'HIKING', 'DIVING', 'SPA', 'SAFARI'])[1 + h / 7 % 5]],
       array['FOOD', (array['CULTURE', 'NATURE', 'HISTORY'])[1 + h / 11 % 3]],
       (enum_range(null::"ActivityLevel"))[1 + h / 13 % 4],
       array[(array['SOLO', 'COUPLE', 'FAMILY', 'FRIENDS'])[1 + h / 17 % 4]],
       h / 17 % 4 = 2, case when h / 17 % 4 = 2 then array[4, 9] else '{}' end,
       (enum_range(null::"RiskTolerance"))[1 + h / 19 % 3],
       array['WARM'], '{"regions": ["EUROPE"], "countries": ["IT", "GR"]}'
from (select id, abs(hashtext(id) % 1000000) as h from public.users) hashed;
update public.users set "dateOfBirth" = timestamp '1950-05-12' + abs(hashtext(id) % 55) * interval '1 year' where hashtext(id) % 3 = 0;
insert into public.user_vectors (id, "userId", vector, "updatedAt")
select 'v-' || id, id, '[0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]', now() from public.users;
vacuum analyze"#;

/// The number of users in the variable `USERS`, by default a million.
pub fn users() -> u64 {
    let named = std::env::var("USERS").ok().filter(|named| !named.is_empty());
    named.map_or(USERS, |named| named.parse().expect("USERS is a number"))
}

/// Runs every step once.
pub async fn measure(segmenter: &Path, world: &World, users: u64, report: &mut Report) {
    eprintln!("bench: {users} users with a profile and a vector without segments");
    let database = world.platform(segmenter, users).await;
    for statement in PROFILES.split(";\n") {
        database.run(statement).await;
    }
    report.setting.extend(world.settings(&database).await);
    let catalog = newer_catalog();
    let catalog = catalog.to_str().expect("the folder's name is text");
    let steps = Steps { segmenter, world, database: &database, users };

    let dry_run = steps.step(report, "dry run of backfill", &["backfill"], &[]).await;
    report.section(&dry_run.section).hold("users", Bar::AtLeast(60_000.0)).hold("peak memory", Bar::AtMost(100.0));
    let backfill = steps.step(report, "backfill, rows and changes", &["backfill", "--execute"], &[]).await;
    report.section(&backfill.section).hold("users", Bar::AtLeast(12_000.0));
    steps.step(report, "verify", &["verify"], &[]).await;
    if has_simulate(segmenter).await {
        steps.step(report, "simulate of a new catalog", &["catalog", "simulate", "--catalog", catalog], &[]).await;
    } else {
        report.setting.push(("catalog simulate".to_owned(), "this program has none".to_owned()));
    }
    let with_it = [("SEGMENTER_CATALOG_FILE", catalog)];
    steps
        .step(
            report,
            "recompute of all with the new catalog",
            &["recompute", "--all", "--accept-shift", "--execute"],
            &with_it,
        )
        .await;

    let few = ONE_BY_ONE.min(users);
    let one_by_one = steps.one_by_one(report, "a row at a time, through Prisma", few, &[]).await;
    let of_pages = steps.one_by_one(report, "the same, profiles retrieved by the page", few, &["pages"]).await;
    report
        .section("backfill ÷ a row at a time")
        .figure("users/s", "", backfill.users_per_second / one_by_one)
        .hold("users/s", Bar::AtLeast(20.0))
        .figure("profiles by the page", "", backfill.users_per_second / of_pages);
}

/// The built-in catalog with another version and one other weight, so that some users' segments change.
fn newer_catalog() -> std::path::PathBuf {
    let builtin = std::fs::read_to_string(source("src/domain/scoring/catalog.toml")).expect("the catalog is readable");
    let newer = builtin
        .replacen("version = 1", "version = 2", 1)
        .replacen("budget = 0.25", "budget = 0.20", 1)
        .replacen("group = 0.20", "group = 0.25", 1);
    let path = source("target/bench/catalog.toml");
    std::fs::create_dir_all(source("target/bench")).expect("target/ is writable");
    std::fs::write(&path, newer).expect("target/ is writable");
    path
}

async fn has_simulate(segmenter: &Path) -> bool {
    let asked = program(segmenter, &["catalog", "simulate", "--help"], &[], "").finish(Duration::from_secs(60)).await;
    asked.code == Some(0)
}

struct Steps<'a> {
    segmenter: &'a Path,
    world: &'a World,
    database: &'a Database,
    users: u64,
}

/// One step's place in the report and its speed.
struct Step {
    section: String,
    users_per_second: f64,
}

/// A command that has ended, with its own figures shortly before its end.
struct Measured {
    finished: Finished,
    seconds: f64,
    peak_memory: f64,
    own_cpu: f64,
    postgres_cpu: f64,
}

impl Steps<'_> {
    /// A command over all users, with these settings.
    async fn step(&self, report: &mut Report, name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Step {
        eprintln!("bench: {name}");
        let measured = self.run(self.segmenter, arguments, settings).await;
        let section = format!("{name}: {} users", self.users);
        let users_per_second = self.users as f64 / measured.seconds;
        add(report, &section, users_per_second, self.users, &measured);
        crate::keep(report);
        Step { section, users_per_second }
    }

    /// The platform's own way, which Node measures by itself; the users a second.
    async fn one_by_one(&self, report: &mut Report, name: &str, users: u64, more: &[&str]) -> f64 {
        eprintln!("bench: {name}: {users} users");
        let script = source("target/prisma/row-at-a-time.mjs");
        std::fs::write(&script, include_str!("../prisma/row-at-a-time.mjs"))
            .expect("Prisma is in target/prisma: `scripts/setup bench` installs it");
        let users_text = users.to_string();
        let arguments = [&[script.to_str().expect("the folder's name is text"), &*users_text], more].concat();
        let measured = self.run(Path::new("node"), &arguments, &[]).await;
        let written: Written = serde_json::from_str(&measured.finished.stdout).expect("the script prints its figures");
        assert_eq!(written.users, users, "every user has a profile");
        let users_per_second = users as f64 / written.seconds;
        add(report, &format!("{name}: {users} users"), users_per_second, users, &measured);
        users_per_second
    }

    /// Runs a command to its end, on a table without dead rows.
    async fn run(&self, path: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Measured {
        settle(self.database).await;
        let mut environment =
            vec![("KAFKA_BROKERS", self.world.kafka.brokers()), ("DATABASE_URL", self.database.url())];
        environment.extend(settings);
        let (started, postgres_cpu) = (Instant::now(), self.world.postgres_cpu());
        let mut child = program(path, arguments, &environment, "");
        let (mut peak_memory, mut own_cpu): (f64, f64) = (0.0, 0.0);
        let deadline = DEADLINE_PER_MILLION.mul_f64((self.users as f64 / 1e6).max(1.0));
        while child.is_running() {
            assert!(started.elapsed() < deadline, "{arguments:?} runs for more than {deadline:?}");
            if let Some(Memory { peak, .. }) = processes::memory(child.pid()) {
                peak_memory = peak;
                own_cpu = processes::cpu_seconds(child.pid());
            }
            tokio::time::sleep(INTERVAL).await;
        }
        let seconds = started.elapsed().as_secs_f64();
        let finished = child.finish(INTERVAL).await;
        assert_eq!(finished.code, Some(0), "{arguments:?}: {}\n{}", finished.stdout, finished.log);
        let postgres_cpu = self.world.postgres_cpu() - postgres_cpu;
        Measured { finished, seconds, peak_memory, own_cpu, postgres_cpu }
    }
}

/// The output of `row-at-a-time.mjs`.
#[derive(Deserialize)]
struct Written {
    users: u64,
    seconds: f64,
}

/// The figures of every step.
fn add(report: &mut Report, section: &str, users_per_second: f64, users: u64, measured: &Measured) {
    let each = |seconds: f64| 1e6 * seconds / users as f64;
    report
        .section(section)
        .figure("users", "1/s", users_per_second)
        .figure("the whole", "s", measured.seconds)
        .figure("peak memory", "MiB", measured.peak_memory)
        .figure("own CPU a user", "µs", each(measured.own_cpu))
        .figure("PostgreSQL CPU a user", "µs", each(measured.postgres_cpu));
}
