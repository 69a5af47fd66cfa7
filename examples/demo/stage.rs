//! Composes the demo: starts the servers and the service, reports, removes everything.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use segmenter::cli::serve;
use segmenter::config::{Config, Sources};
use segmenter::http;
use segmenter::runtime::exit::Exit;
use segmenter::runtime::health::Health;
use segmenter::runtime::stop::{Stop, StopReason};
use segmenter::telemetry::Shared;
use segmenter::telemetry::metrics::{Metrics, RecordOutcome};
use segmenter::telemetry::traces::Traces;
use sqlx::PgConnection;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Options;
use super::feed::{Feeder, Input};
use super::observer::Observer;
use super::report::{self, Addresses, Facts};
use super::scratch::Scratch;
use super::script::{OPENING, STORIES, Script, traveller};

const INPUT_PARTITIONS: i32 = 4;
pub const OUTPUT_PARTITIONS: i32 = 2;

/// The deadline of an answer of the broker.
pub const ANSWER: Duration = Duration::from_secs(10);

/// The deadline of publishing after the last record is finished.
const DEADLINE: Duration = Duration::from_secs(60);
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Runs the demo.
///
/// # Errors
/// A server could not be started, or the service failed; the ends of the logs are part of the error.
pub async fn run(options: &Options) -> anyhow::Result<Exit> {
    let shared = Shared {
        metrics: Metrics::new()?,
        health: Health::default(),
        stop: Stop::default(),
        traces: Traces::default(),
    };
    // Before anything exists that must be removed.
    stop_on_signals(shared.stop.clone())?;
    print_progress("Setting up PostgreSQL in a temporary folder ...");
    let mut scratch = Scratch::create()?;
    match serve_and_feed(options, &mut scratch, &shared).await {
        Err(_) if matches!(shared.stop.reason(), Some(StopReason::Signal)) => {
            drop(scratch);
            print_progress("Interrupted; all files and processes of the demo are removed.");
            Ok(Exit::Interrupted)
        }
        Err(error) => Err(anyhow!("{error:#}\n\nThe logs end with:\n{}", scratch.log_tails())),
        Ok(()) => Ok(Exit::Ok),
    }
}

/// Progress, on standard error; a failed write is no failure of the demo.
pub fn print_progress(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

async fn serve_and_feed(options: &Options, scratch: &mut Scratch, shared: &Shared) -> anyhow::Result<()> {
    let log = File::create(scratch.path("segmenter.log"))?;
    tracing_subscriber::fmt().with_env_filter("warn").with_ansi(false).with_writer(Mutex::new(log)).init();
    let script = Script::write(options.seed, options.travellers, OPENING);
    let mut database = tokio::select! {
        ready = scratch.ready() => ready?,
        () = shared.stop.requested() => bail!("interrupted"),
    };
    create_users(&mut database).await?;
    add_users(&mut database, &script.users).await?;
    print_progress("Starting Kafka in this process, and the service; it joins its group ...");
    // Ends with this function, after the service.
    let kafka = MockCluster::new(1).context("could not start the Kafka broker in this process")?;
    let brokers = kafka.bootstrap_servers();
    let config = configure(scratch, &brokers)?;
    for (topic, partitions) in [
        (&config.topics.onboarding_completed, INPUT_PARTITIONS),
        (&config.topics.profile_updated, INPUT_PARTITIONS),
        (&config.topics.segment_changed, OUTPUT_PARTITIONS),
        (&config.topics.dead_letter, OUTPUT_PARTITIONS),
    ] {
        kafka.create_topic(topic.as_str(), partitions, 1).context("could not create a topic")?;
    }
    let listener = http::listen(config.http.addr).await?;
    let addresses = Addresses {
        http: format!("http://{}", listener.local_addr()?),
        brokers,
        database_url: scratch.database_url.clone(),
        log: scratch.path("segmenter.log"),
        segment_changed: config.topics.segment_changed.as_str().to_owned(),
    };
    let feeding = async {
        let result = tokio::select! {
            // Feeding that ends with the stop has succeeded.
            biased;
            result = feed_and_report(options, &script, &config, &addresses, shared, &mut database) => result,
            () = shared.stop.requested() => Err(anyhow!("stopped before the end")),
        };
        shared.stop.now(match &result {
            Ok(()) => StopReason::Signal,
            Err(error) => StopReason::Failure(format!("{error:#}")),
        });
        result
    };
    let serving = serve::run_until_stopped(config.clone(), Vec::new(), listener, shared.clone());
    let (served, result) = tokio::join!(serving, feeding);
    if let Some(StopReason::Failure(why) | StopReason::Refused(why) | StopReason::Flood(why)) = shared.stop.reason() {
        bail!("{why}");
    }
    served?;
    result
}

/// Produces both phases, waits until everything is published, reports; with `keep` then waits for the stop.
async fn feed_and_report(
    options: &Options,
    script: &Script,
    config: &Config,
    addresses: &Addresses,
    shared: &Shared,
    database: &mut PgConnection,
) -> anyhow::Result<()> {
    let (topics, metrics) = (&config.topics, &shared.metrics);
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &addresses.brokers);
    let follow = (0..).zip(&STORIES).map(|(number, _)| traveller(number)).collect();
    let observer = Observer::new(client.clone(), topics.segment_changed.as_str(), topics.dead_letter.as_str(), follow)?;
    let settled = CancellationToken::new();
    let observing = tokio::spawn(observer.read_until(settled.clone()));
    let style = ProgressStyle::with_template("▕{bar:40}▏ {human_pos} of {human_len} records, {per_sec}")?;
    let mut feeder = Feeder {
        input: Input {
            producer: client.create().context("could not make the feeder's Kafka client")?,
            onboarding_completed: topics.onboarding_completed.as_str(),
            profile_updated: topics.profile_updated.as_str(),
        },
        metrics: metrics.clone(),
        progress: ProgressBar::new(script.len()).with_style(style.progress_chars("█▉▊▋▌▍▎▏ ")),
        produced: 0,
        first_end: None,
    };
    for (phase, title) in script.phases.iter().zip(["Onboarding all travellers ...", "Changing profiles ..."]) {
        feeder.progress.suspend(|| print_progress(title));
        feeder.feed(phase).await?;
    }
    let busy = feeder.first_end.map(|first| first.elapsed()).unwrap_or_default();
    feeder.progress.finish_and_clear();
    print_progress("Waiting until every change is published ...");
    wait_until_published(database).await?;
    settled.cancel();
    let observed =
        tokio::time::timeout(DEADLINE, observing).await.context("not every change was read in time")???;

    let facts = Facts {
        script,
        seed: options.seed,
        produced: feeder.produced,
        outcomes: RecordOutcome::ALL.map(|outcome| (outcome, metrics.ended(outcome))),
        segments: primary_segments(database).await?,
        observed,
        busy,
    };
    let end = if options.keep { report::addresses(addresses) } else { report::next() };
    io::stdout().write_all((report::report(&facts) + &end).as_bytes())?;
    if options.keep {
        shared.stop.requested().await;
    }
    Ok(())
}

/// Waits until the outbox is empty.
async fn wait_until_published(database: &mut PgConnection) -> anyhow::Result<()> {
    let started = Instant::now();
    while sqlx::query("select from segmenter.outbox limit 1").fetch_optional(&mut *database).await?.is_some() {
        if started.elapsed() > DEADLINE {
            bail!("not everything was published within {DEADLINE:?}");
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
    Ok(())
}

/// The number of travellers by primary segment, the most frequent first.
async fn primary_segments(database: &mut PgConnection) -> anyhow::Result<Vec<(String, i64)>> {
    let found = sqlx::query_as(
        r#"select coalesce("primarySegment", 'none'), count(*) from public.user_vectors
            group by 1 order by 2 desc, 1"#,
    );
    found.fetch_all(database).await.context("could not count the segments")
}

/// The platform's table of users, with the columns that the service reads.
async fn create_users(database: &mut PgConnection) -> anyhow::Result<()> {
    sqlx::raw_sql(include_str!("../../compose/users.sql")).execute(database).await?;
    Ok(())
}

/// Adds users; those who are there already are left alone.
pub async fn add_users(database: &mut PgConnection, users: &[String]) -> anyhow::Result<()> {
    let add = sqlx::query("insert into public.users (id) select unnest($1) on conflict do nothing");
    add.bind(users).execute(database).await.context("could not add the travellers to public.users")?;
    Ok(())
}

/// The service's configuration, read from a file.
fn configure(scratch: &Scratch, brokers: &str) -> anyhow::Result<Config> {
    let text = format!(
        r#"[kafka]
brokers = "{brokers}"
drain_deadline = "3s"

[kafka.properties]
"fetch.wait.max.ms" = "10"

[database]
url = "{}"
migrate = true

[http]
addr = "127.0.0.1:0"
"#,
        scratch.database_url
    );
    let path = scratch.path("segmenter.toml");
    std::fs::write(&path, text)?;
    let sources = Sources { file: Some(path), ..Sources::default() };
    sources.resolve().config().map_err(|problems| anyhow!("{problems}"))
}

pub fn stop_on_signals(stop: Stop) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        stop.now(StopReason::Signal);
    });
    Ok(())
}
