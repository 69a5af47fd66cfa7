//! Puts the demo together: starts the servers, lets the service run between them, tells what came of it, clears up.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use sqlx::PgConnection;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::feed::Feeder;
use super::observer::Observer;
use super::report::{self, Addresses, Facts};
use super::scratch::Scratch;
use super::screen::{Progress, Style};
use super::script::{STORIES, Script, traveller};
use crate::command::{serve, settings};
use crate::config::{Config, Sources};
use crate::exit::Exit;
use crate::health::Health;
use crate::http;
use crate::kafka::ffi;
use crate::metrics::{Metrics, RecordOutcome};
use crate::service::Shared;
use crate::stop::{Stop, StopReason};
use crate::telemetry;
use crate::trace::Traces;

/// What can be chosen.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub travellers: u64,
    pub seed: u64,
    /// Serve on after the report.
    pub keep: bool,
}

const INPUT_PARTITIONS: i32 = 4;
const OUTPUT_PARTITIONS: i32 = 2;

/// How long the service may be silent before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Plays the demo; the report goes to `out`.
///
/// # Errors
/// A server could not be started, or the service failed; what the logs say is part of the error.
pub async fn run(options: Options, out: &mut impl Write) -> anyhow::Result<Exit> {
    let stop = Stop::default();
    // Before there is anything to clear up.
    stop_on_signals(stop.clone())?;
    let mut progress = Progress::new();
    progress.phase("Setting up PostgreSQL in a temporary folder ...");
    let mut scratch = Scratch::create()?;
    let (_, log) = scratch.new_file("segmenter.log")?;
    telemetry::init_to_file("warn", log)?;

    let shared = Shared { metrics: Metrics::new()?, health: Health::default(), stop, traces: Traces::default() };
    let played = play(options, &mut scratch, &shared, &mut progress, out).await;
    progress.clear();
    match played {
        Err(_) if matches!(shared.stop.reason(), Some(StopReason::Signal)) => {
            drop(scratch);
            progress.end("Interrupted; what the demo had set up is removed again.");
            Ok(Exit::Interrupted)
        }
        Err(error) => {
            let tails = scratch.log_tails().join("\n");
            Err(anyhow!("{error:#}\n\nThe logs end with:\n{tails}"))
        }
        Ok(()) => Ok(Exit::Ok),
    }
}

async fn play(
    options: Options,
    scratch: &mut Scratch,
    shared: &Shared,
    progress: &mut Progress,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let script = Script::write(options.seed, options.travellers);
    let mut database = tokio::select! {
        ready = scratch.ready() => ready?,
        () = shared.stop.requested() => bail!("interrupted"),
    };
    add_users(&mut database, &script.users).await?;
    progress.phase("Starting Kafka in this process, and the service; it joins its group ...");
    // Ends with this function, after the service.
    let kafka = MockCluster::new(1).context("could not start the Kafka broker in this process")?;
    ffi::brokers_have_no_ids();
    let config = configure(scratch, &kafka.bootstrap_servers())?;
    create_topics(&kafka, &config)?;
    let listener = http::listen(config.http.addr).await?;
    let addresses = Addresses {
        http: listener.local_addr().context("could not learn the address listened on")?,
        brokers: kafka.bootstrap_servers(),
        database_url: scratch.database_url().to_owned(),
        log: scratch.log(),
    };
    let demo = Demo { options, script: &script, config: &config, shared, progress, addresses };
    serve_while(&config, listener, shared, demo.perform(&mut database, out)).await
}

/// Serves until `performance` is over or a stop is requested.
async fn serve_while(
    config: &Config,
    listener: TcpListener,
    shared: &Shared,
    performance: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let performed = async {
        let performed = tokio::select! {
            // A performance that ends with the stop has ended well.
            biased;
            performed = performance => performed,
            () = shared.stop.requested() => Err(anyhow!("stopped before the end")),
        };
        shared.stop.now(match &performed {
            Ok(()) => StopReason::Signal,
            Err(error) => StopReason::Failure(format!("{error:#}")),
        });
        performed
    };
    let (served, performed) =
        tokio::join!(serve::run_until_stopped(config.clone(), Vec::new(), listener, shared.clone()), performed);
    if let Some(StopReason::Failure(why) | StopReason::Refused(why) | StopReason::Flood(why)) = shared.stop.reason() {
        bail!("{why}");
    }
    served?;
    performed
}

/// What the performance needs.
struct Demo<'d> {
    options: Options,
    script: &'d Script,
    config: &'d Config,
    shared: &'d Shared,
    progress: &'d mut Progress,
    addresses: Addresses,
}

impl Demo<'_> {
    /// Feeds both acts, waits until everything is said, reports; with `keep` then waits for the stop.
    async fn perform(self, database: &mut PgConnection, out: &mut impl Write) -> anyhow::Result<()> {
        let Self { options, script, config, shared, progress, addresses } = self;
        let settings = settings::settings(config);
        let follow = (0..).zip(&STORIES).map(|(number, _)| traveller(number)).collect();
        let reading = settings.cluster.consumer("segmenter-demo", settings.session_timeout, settings.max_poll_interval);
        let observer = Observer::start(&reading, &settings.topics, OUTPUT_PARTITIONS, follow)?;
        let producer = settings.cluster.named_producer("demo").context("could not make the feeder's Kafka client")?;
        let metrics = shared.metrics.clone();
        let mut feeder = Feeder { producer, topics: settings.topics, metrics: metrics.clone(), produced: 0 };

        let mut first_ended = None;
        let mut show = |ended: u64| {
            if ended > 0 {
                let since: Instant = *first_ended.get_or_insert_with(Instant::now);
                progress.advance(ended, script.len(), ended as f64 / since.elapsed().as_secs_f64().max(0.1));
            }
        };
        for act in &script.acts {
            feeder.feed(act, &mut show).await?;
        }
        let busy = first_ended.map(|first| first.elapsed()).unwrap_or_default();
        progress.phase("Waiting until every change is said and every dead letter written ...");
        wait_until_settled(database, &metrics, &observer).await?;
        progress.clear();

        let facts = Facts {
            script,
            seed: options.seed,
            produced: feeder.produced,
            endings: RecordOutcome::ALL.map(|outcome| (outcome, metrics.ended(outcome))),
            segments: primary_segments(database).await?,
            observed: observer.observed(),
            busy,
        };
        out.write_all(report::report(&facts, Style::of_stdout()).as_bytes())?;
        if options.keep {
            out.write_all(report::addresses(&addresses, &feeder.topics, Style::of_stdout()).as_bytes())?;
            out.flush()?;
            shared.stop.requested().await;
        } else {
            out.write_all(report::next(Style::of_stdout()).as_bytes())?;
            out.flush()?;
        }
        Ok(())
    }
}

/// Waits until the outbox is empty and the observer has read all that was said.
async fn wait_until_settled(database: &mut PgConnection, metrics: &Metrics, observer: &Observer) -> anyhow::Result<()> {
    let started = Instant::now();
    loop {
        let unsaid: i64 = sqlx::query_scalar("select count(*) from segmenter.outbox").fetch_one(&mut *database).await?;
        let dead_lettered = metrics.ended(RecordOutcome::DeadLettered);
        if unsaid == 0 && observer.has_read(metrics.said(), dead_lettered) {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            bail!("not everything was said within {PATIENCE:?}");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// How many travellers have each primary segment, the most frequent first.
async fn primary_segments(database: &mut PgConnection) -> anyhow::Result<Vec<(String, i64)>> {
    let found = sqlx::query_as(
        r#"select coalesce("primarySegment", 'none'), count(*) from public.user_vectors
            group by 1 order by 2 desc, 1"#,
    );
    found.fetch_all(database).await.context("could not count the segments")
}

/// The platform's table of users, as far as the service reads it.
async fn add_users(database: &mut PgConnection, users: &[String]) -> anyhow::Result<()> {
    sqlx::query("create table public.users (id text primary key)").execute(&mut *database).await?;
    sqlx::query("insert into public.users select unnest($1)").bind(users).execute(&mut *database).await?;
    Ok(())
}

/// The service's configuration, read from a file like anybody's.
fn configure(scratch: &Scratch, brokers: &str) -> anyhow::Result<Config> {
    let (path, mut file) = scratch.new_file("segmenter.toml")?;
    let url = scratch.database_url();
    write!(
        file,
        r#"[kafka]
brokers = "{brokers}"
drain_deadline = "3s"

[kafka.properties]
"fetch.wait.max.ms" = "10"

[database]
url = "{url}"
migrate = true

[http]
addr = "127.0.0.1:0"
"#
    )?;
    let sources = Sources { file: Some(path), ..Sources::default() };
    sources.resolve().config().map_err(|problems| anyhow!("{problems}"))
}

fn create_topics(kafka: &MockCluster<'_, DefaultProducerContext>, config: &Config) -> anyhow::Result<()> {
    let topics = settings::settings(config).topics;
    for (topic, partitions) in [
        (&topics.onboarding_completed, INPUT_PARTITIONS),
        (&topics.profile_updated, INPUT_PARTITIONS),
        (&topics.segment_changed, OUTPUT_PARTITIONS),
        (&topics.dead_letter, OUTPUT_PARTITIONS),
    ] {
        kafka.create_topic(topic, partitions, 1).with_context(|| format!("could not create the topic {topic}"))?;
    }
    Ok(())
}

fn stop_on_signals(stop: Stop) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("could not listen for SIGHUP")?;
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
