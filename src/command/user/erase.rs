//! The steps of an erasure: through the fold into the database, to segment-changed, to the input topics.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use sqlx::PgPool;

use crate::event::{Body, Cause, DECODER_VERSION, Event, Millis, Stamp, UserId};
use crate::kafka::client::Topics;
use crate::kafka::handover::{Gone, handover};
use crate::kafka::held_rows::HeldRows;
use crate::kafka::producer::Producer;
use crate::kafka::publisher::Publisher;
use crate::kafka::{said_schema, tombstone};
use crate::metrics::Metrics;
use crate::service::Settings;
use crate::stop::Stop;
use crate::store::Store;
use crate::store::apply::{Ending, Progress};
use crate::store::lookup;
use crate::store::lookup::clock;
use crate::store::outbox::Publication;
use crate::trace::Traces;

/// How long saying may take, which is more than the client's own attempts do; then the outbox keeps it for a running
/// service.
const SAYING: Duration = Duration::from_secs(15);
/// How often something may come in between and make it necessary to do it once more.
const ATTEMPTS: u32 = 5;

/// An erasure that is committed.
pub(super) struct Erased {
    pub at: Millis,
    /// The newest stamp that it had to be later than.
    pub newest: Option<Millis>,
    /// The null record, if anything had been said.
    pub publications: Vec<Publication>,
}

/// Applies a tombstone at the database's present time, once that is past `newest`, the newest stamp of the registers; once
/// more where a newer event came in meanwhile.
///
/// # Errors
/// The database is away or refuses it. Doing it again is safe.
pub(super) async fn erase(store: &Store, user: &UserId, newest: Option<Millis>) -> anyhow::Result<Erased> {
    let mut newest = newest;
    let mut publications = Vec::new();
    for _ in 0..ATTEMPTS {
        let at = wait_past(&store.pool, newest).await.context("could not read the database's clock")?;
        publications.extend(apply(store, user, at).await?);
        let state = lookup::state(&store.pool, user).await.context("could not read the user's state")??;
        match state.profile.logical_time() {
            None => return Ok(Erased { at, newest, publications }),
            newer => newest = newest.max(newer),
        }
    }
    bail!("events of this user keep coming in that are newer than the erasure; run this again")
}

/// Waits until the database's clock is past `newest`; gives its time.
async fn wait_past(pool: &PgPool, newest: Option<Millis>) -> Result<Millis, sqlx::Error> {
    loop {
        let now = clock(pool).await?;
        let Some(left) = newest.map(|newest| newest.0 - now.0).filter(|left| *left >= 0) else { return Ok(now) };
        tokio::time::sleep(Duration::from_millis(left.unsigned_abs() + 1)).await;
    }
}

async fn apply(store: &Store, user: &UserId, at: Millis) -> anyhow::Result<Vec<Publication>> {
    let tombstone = [Event {
        user: user.clone(),
        stamp: Stamp { time: at, id: "".into(), decoder: DECODER_VERSION },
        body: Body::Tombstone,
        cause: Cause::default(),
        key_differs: false,
    }];
    let mut progress = Progress::new(&tombstone);
    store.advance(&mut progress).await?;
    let publications = std::mem::take(&mut progress.publications);
    for ending in progress.into_endings() {
        match ending {
            Ending::Merged(_) => {}
            Ending::UnknownUser => bail!("the database does not know the user"),
            Ending::RejectedByDatabase(why) => bail!("the database refuses the erasure: {why}"),
        }
    }
    Ok(publications)
}

/// Says what is committed, as the service does; gives whether it could be said in time.
///
/// # Errors
/// The metrics, which the publisher wants, could not be made.
pub(super) async fn say(
    store: Store,
    publications: Vec<Publication>,
    producer: Producer,
    settings: &Settings,
) -> anyhow::Result<bool> {
    let topic = &settings.topics.segment_changed;
    let encoding = said_schema::encoding(settings.output_encoding, topic, settings.registry.as_ref()).await;
    let Ok(encoding) = encoding else { return Ok(false) };
    let (stop, held) = (Stop::default(), HeldRows::default());
    let (handover, handed_over) = handover();
    // Those of one user: there is room for all of them before the publisher runs.
    for publication in publications {
        held.hold(publication.id);
        handover.send(publication).await.map_err(|Gone| anyhow!("the publisher has gone"))?;
    }
    drop(handover);
    let publisher = Publisher {
        store,
        producer,
        topic: topic.clone(),
        encoding,
        held,
        metrics: Metrics::new()?,
        stop: stop.clone(),
        traces: Traces::default(),
    };
    let in_time = tokio::time::timeout(SAYING, publisher.run(handed_over)).await.is_ok();
    Ok(in_time && !stop.is_requested())
}

/// Produces the null records to the input topics, dated as the erasure; once more where a topic stamps its records itself
/// and the broker's clock has not passed the newest register yet.
///
/// # Errors
/// The broker did not accept them, or its clock is far behind.
pub(super) async fn tell_topics(
    producer: &Producer,
    topics: &Topics,
    user: &UserId,
    erased: &Erased,
) -> anyhow::Result<()> {
    for _ in 0..ATTEMPTS {
        let stamped = tombstone::produce(producer, topics, user, erased.at).await?;
        let Some(left) = erased.newest.map(|newest| newest.0 - stamped.0).filter(|left| *left >= 0) else {
            return Ok(());
        };
        tokio::time::sleep(Duration::from_millis(left.unsigned_abs() + 1)).await;
    }
    bail!("the broker stamps records itself, and its clock is behind the user's newest event")
}
