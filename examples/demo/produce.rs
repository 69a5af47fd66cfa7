//! `demo produce`: the travellers' events for a service that runs elsewhere, at a steady rate and at the present time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use segmenter::config::{SettingFlags, Sources};
use segmenter::domain::event::Millis;
use segmenter::kafka::client::Cluster;
use segmenter::runtime::exit::Exit;
use segmenter::runtime::stop::Stop;
use sqlx::{Connection as _, PgConnection};

use super::feed::{Input, Timestamps};
use super::script::{Script, ScriptedRecord};
use super::stage::{add_users, print_progress, stop_on_signals};
use super::{Options, ProduceArgs};

/// Records are produced this often.
const PACE: Duration = Duration::from_millis(200);
const PACES_PER_SECOND: usize = 5;

/// The longest time that a record waits for its acknowledgement, and the database for a connection.
const ANSWER: Duration = Duration::from_secs(30);

/// Produces until a signal, or until the end of the rounds.
///
/// # Errors
/// The settings are wrong; Kafka or PostgreSQL is unavailable for longer than [`ANSWER`].
pub async fn run(options: &Options, args: &ProduceArgs) -> anyhow::Result<Exit> {
    let stop = Stop::default();
    stop_on_signals(stop.clone())?;
    tokio::select! {
        produced = produce(options, args) => produced?,
        () = stop.requested() => {}
    }
    Ok(Exit::Ok)
}

async fn produce(options: &Options, args: &ProduceArgs) -> anyhow::Result<()> {
    let sources = Sources::of_process(None, SettingFlags::default());
    let config = sources.resolve().config().map_err(|problems| anyhow!("{problems}"))?;
    let database = config.database.url.connect_options().map_err(|problem| anyhow!("DATABASE_URL: {problem}"))?;
    let connecting = PgConnection::connect_with(&database);
    let connected = tokio::time::timeout(ANSWER, connecting).await.context("PostgreSQL does not answer")?;
    let mut database = connected.context("could not connect to PostgreSQL")?;
    let mut client = Cluster::from(&config.kafka).admin();
    client.set("enable.idempotence", "true").set("partitioner", "murmur2_random");
    client.set("message.timeout.ms", ANSWER.as_millis().to_string());
    let input = Input {
        producer: client.create().context("could not make the Kafka client")?,
        onboarding_completed: config.topics.onboarding_completed.as_str(),
        profile_updated: config.topics.profile_updated.as_str(),
    };
    let (travellers, mut round) = (options.travellers, 0);
    while args.rounds.is_none_or(|rounds| round < rounds) {
        // Another seed is another script, and its later times make its changes the newer ones.
        let script = Script::until(now()?, options.seed.wrapping_add(round), travellers);
        let [onboardings, changes] = &script.phases;
        if round == 0 {
            add_users(&mut database, &script.users).await?;
            print_progress(&format!("Onboarding {travellers} travellers ..."));
            pace(&input, onboardings, args.rate).await?;
        }
        round += 1;
        print_progress(&format!("Changing profiles, round {round} ..."));
        pace(&input, changes, args.rate).await?;
    }
    Ok(())
}

/// Produces the records at this rate.
async fn pace(input: &Input<'_>, records: &[ScriptedRecord], rate: u16) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(PACE);
    for records in records.chunks(usize::from(rate).div_ceil(PACES_PER_SECOND)) {
        ticks.tick().await;
        input.produce(records, Timestamps::Now).await.context("could not produce an event")?;
    }
    Ok(())
}

fn now() -> anyhow::Result<Millis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
    Ok(Millis(i64::try_from(since.as_millis())?))
}
