//! The steps of an erasure: the fold and its transaction, segment-changed, the input topics.

use std::time::Duration;

use crate::store::error::StoreError;
use crate::store::sql::Pool;
use anyhow::{Context as _, bail};

use super::tombstone;
use crate::domain::event::{Body, Cause, DECODER_VERSION, Event, Millis, Stamp, UserId};
use crate::kafka::client::Topics;
use crate::kafka::producer::Producer;
use crate::output::{BatchWriter, Destination};
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;
use crate::store::Store;
use crate::store::apply::Progress;
use crate::store::audit::Entry;
use crate::store::lookup::{self, clock};
use crate::store::outbox::Publication;

/// The deadline of publishing, longer than the client's own retries; after that the change stays in the outbox for a
/// running service.
const PUBLISHING: Duration = Duration::from_secs(15);
/// How often the erasure is repeated if newer events arrive meanwhile.
const ATTEMPTS: u32 = 5;

/// An erasure that is committed.
pub struct Erased {
    pub at: Millis,
    /// The newest stamp of a register, which the erasure is later than.
    pub newest: Option<Millis>,
    /// The tombstone.
    pub publications: Vec<Publication>,
}

/// Applies a tombstone at the database's current time, once that is later than `newest`, the newest stamp of the
/// registers; repeats it if a newer event arrived meanwhile. It is published even where nothing was published of the user.
/// `entry` records the act in its transaction.
///
/// # Errors
/// The database is unavailable or refuses the write. Repeating is safe.
pub async fn erase(store: &Store, user: &UserId, newest: Option<Millis>, entry: &Entry) -> anyhow::Result<Erased> {
    let mut newest = newest;
    let mut publications = Vec::new();
    for _ in 0..ATTEMPTS {
        let at = wait_past(&store.pool, newest).await.context("could not read the database's clock")?;
        publications.extend(apply(store, user, at, entry).await?);
        let state = lookup::state(&store.pool, user).await.context("could not read the user's state")??;
        match state.profile.logical_time() {
            None => return Ok(Erased { at, newest, publications }),
            newer => newest = newest.max(newer),
        }
    }
    bail!("events that are newer than the erasure keep arriving for this user; run this again")
}

/// Waits until the database's clock is later than `newest`; returns its time.
async fn wait_past(pool: &Pool, newest: Option<Millis>) -> Result<Millis, StoreError> {
    loop {
        let now = clock(pool).await?;
        let Some(left) = newest.map(|newest| newest.0 - now.0).filter(|left| *left >= 0) else { return Ok(now) };
        tokio::time::sleep(Duration::from_millis(left.unsigned_abs() + 1)).await;
    }
}

async fn apply(store: &Store, user: &UserId, at: Millis, entry: &Entry) -> anyhow::Result<Vec<Publication>> {
    let tombstone = [Event {
        user: user.clone(),
        stamp: Stamp { time: at, id: "".into(), decoder: DECODER_VERSION },
        body: Body::Tombstone,
        cause: Cause::default(),
        key_differs: false,
    }];
    let mut progress = Progress::publishing_all(&tombstone).recorded(entry.clone());
    store.advance(&mut progress).await?;
    let publications = std::mem::take(&mut progress.publications);
    for outcome in progress.into_outcomes() {
        match outcome {
            Ok(_) => {}
            Err(rejection) => bail!("the database refuses the erasure: {}", rejection.detail),
        }
    }
    Ok(publications)
}

/// Publishes the committed change as a job does.
///
/// # Errors
/// Kafka did not acknowledge it in time; the change stays in the outbox.
pub async fn publish(store: Store, publications: Vec<Publication>, output: &Destination) -> Result<(), Halt> {
    let publishing = async {
        let writer = BatchWriter::start(store, output, Stop::default()).await?;
        writer.publish(publications).await?;
        writer.finish().await
    };
    let late = |_| Halt::Unavailable(format!("Kafka did not answer within {PUBLISHING:?}"));
    tokio::time::timeout(PUBLISHING, publishing).await.map_err(late)?
}

/// Produces the tombstones to the input topics, dated as the erasure. Repeats that if a topic uses the broker's clock
/// (LogAppendTime), which is not later than the newest register yet.
///
/// # Errors
/// The broker did not accept them, or its clock is far behind.
pub(crate) async fn produce_to_inputs(
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
    bail!("the topic uses the broker's clock, which is behind the user's newest event")
}
