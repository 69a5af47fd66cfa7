//! `segmenter user forget`: the erasure that a tombstone makes, made by hand.

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::erase;
use super::plan::Plan;
use super::show::outbox_rows;
use crate::command::database::{self, Access, Database};
use crate::command::registry;
use crate::command::settings::settings;
use crate::config::Config;
use crate::event::{Millis, UserId};
use crate::exit::Exit;
use crate::pipeline::codec::CodecError;
use crate::pipeline::state::State;
use crate::service::Settings;
use crate::store::error::StoreError;
use crate::store::lookup::{self, UserRecord, clock};

/// Erase a user: state and row go, a null record is said on segment-changed. Without --execute it only says so.
///
/// What a null record in an input topic does, done at the database's present time, also to a user of whom nothing is
/// known: events older than the erasure cannot bring the user back. If a register is dated into the future (up to
/// limits.max_future), it is waited for, since an earlier erasure would not reach it.
///
/// Learned vectors are not touched; neither is what the platform itself stores. The input topics still hold the user's
/// events: a new database built from them brings the user back, unless --to-topics was given.
///
/// Exit codes: 0 erased and said (or shown, without --execute); 1 failure; 2 usage; 3 refused: the schema is not migrated,
/// newer data, a register too far in the future; 75 the database or Kafka is away: run it again, that is safe.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The user's id.
    id: String,
    /// Also produce a null record under the user's id to both input topics. Every group that reads them sees it, other
    /// services' too: be sure that they take it for an erasure.
    #[arg(long)]
    to_topics: bool,
    /// Do it.
    #[arg(long)]
    execute: bool,
}

/// Says what goes, and with --execute makes it go.
///
/// # Errors
/// What is stored cannot be read, or database or brokers refuse us.
pub async fn run(args: &ForgetArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    database::ended(forget(args, config, out).await)
}

async fn forget(args: &ForgetArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let user = super::user_id(&args.id)?;
    let access = if args.execute { Access::Write } else { Access::Read };
    let database = match database::open(&config.database, access).await? {
        Ok(database) => database,
        Err(schema) => return database::refuse(&schema),
    };
    let settings = Settings { registry: registry::open(&config.registry)?, ..settings(config) };
    let away = "could not read what is stored of the user";
    let record = lookup::record(&database.pool, &user, database.platform.has_users).await.context(away)?;
    let state = match state_of(&record) {
        Err(CodecError::Newer { .. }) => {
            return refused(out, "a newer version of segmenter has written the user's state");
        }
        state => state.context("the stored state of the user")?,
    };
    let now = clock(&database.pool).await.context(away)?;
    let plan = Plan { user: &user, record: &record, state, topics: &settings.topics, to_topics: args.to_topics };
    plan.write(now, out)?;
    let newest = plan.newest();
    if is_too_far(newest, now, config.limits.max_future) {
        return refused(
            out,
            "a register is stamped further into the future than limits.max_future; with that as long, this command waits",
        );
    }
    if !args.execute {
        writeln!(out, "Nothing was changed; --execute does it.")?;
        return Ok(Exit::Ok);
    }
    erase_and_say(&user, newest, args.to_topics, &database, config, &settings, out).await
}

async fn erase_and_say(
    user: &UserId,
    newest: Option<Millis>,
    to_topics: bool,
    database: &Database,
    config: &Config,
    settings: &Settings,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let producer = settings.cluster.named_producer("publisher").context("could not make the Kafka client")?;
    let store = database.store(config)?;
    let mut erased = match erase::erase(&store, user, newest).await {
        Err(error) if is_newer(&error) => return refused(out, &format!("{error:#}")),
        erased => erased?,
    };
    writeln!(out, "Erased at {}.", erased.at)?;

    let topics = &settings.topics;
    let nothing_to_say = erased.publications.is_empty();
    let publications = std::mem::take(&mut erased.publications);
    let said = nothing_to_say || erase::say(store, publications, producer.clone(), settings).await?;
    match (nothing_to_say, said) {
        (true, _) => writeln!(out, "There was nothing to say on {}.", topics.segment_changed)?,
        (false, true) => writeln!(out, "Said the null record on {}.", topics.segment_changed)?,
        (false, false) => writeln!(
            out,
            "Could not say the null record on {} yet. It is in the outbox: a running service says it.",
            topics.segment_changed
        )?,
    }
    if let Some(rows @ 1..) = outbox_rows(&database.pool, user).await.context("could not look into the outbox")? {
        writeln!(out, "Outbox rows that wait for this user: {rows}.")?;
    }
    let mut all_done = said;
    if to_topics {
        match erase::tell_topics(&producer, topics, user, &erased).await {
            Ok(()) => {
                let (one, other) = (&topics.onboarding_completed, &topics.profile_updated);
                writeln!(out, "Produced a null record to {one} and {other}.")?;
            }
            Err(error) => {
                all_done = false;
                writeln!(out, "Could not produce a null record to both input topics: {error:#}. Run this again.")?;
            }
        }
    }
    Ok(if all_done { Exit::Ok } else { Exit::DependencyAway })
}

fn is_newer(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<StoreError>(), Some(error) if error.class().is_none())
}

/// The user's state, if there is one that can be read.
fn state_of(record: &UserRecord) -> Result<Option<&State>, CodecError> {
    match &record.state {
        None => Ok(None),
        Some(Ok(state)) => Ok(Some(state)),
        Some(Err(error)) => Err(error.clone()),
    }
}

fn is_too_far(newest: Option<Millis>, now: Millis, furthest: Duration) -> bool {
    let furthest = i64::try_from(furthest.as_millis()).unwrap_or(i64::MAX);
    newest.is_some_and(|newest| newest.0.saturating_sub(now.0) > furthest)
}

fn refused(out: &mut impl Write, why: &str) -> anyhow::Result<Exit> {
    writeln!(out, "Refused, and nothing was changed: {why}.")?;
    Ok(Exit::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_register_further_ahead_than_events_may_be_is_not_waited_for() {
        let (now, furthest) = (Millis(1_000_000), Duration::from_secs(300));
        for (newest, too_far) in [(0, false), (1_000_000, false), (1_300_000, false), (1_300_001, true)] {
            assert_eq!(is_too_far(Some(Millis(newest)), now, furthest), too_far, "{newest}");
        }
        assert!(!is_too_far(None, now, furthest));
        assert!(is_too_far(Some(Millis(i64::MAX)), Millis(-1), furthest));
    }
}
