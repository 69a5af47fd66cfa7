//! `segmenter user erase`: erases a user as a tombstone does.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::show::outbox_rows;
use crate::cli::database::{self, Access, Database};
use crate::cli::failure::ends;
use crate::cli::follow_up::nothing_was_changed;
use crate::cli::settings::{operator, output};
use crate::cli::user_ids;
use crate::config::Config;
use crate::domain::event::{Millis, UserId};
use crate::domain::state::State;
use crate::kafka::client::Topics;
use crate::output::Destination;
use crate::runtime::exit::Exit;
use crate::store::audit::{Act, Entry, hashed};
use crate::store::lookup::{self, clock};
use crate::store::stored_row::StoredRow;
use crate::users::erase;

/// Erase a user: delete state and row, publish a tombstone; dry run unless --execute.
///
/// Has the effect of a tombstone on an input topic, at the database's current time. Older events cannot bring the user
/// back, even if nothing is stored of the user yet. If a register is dated in the future (up to limits.max_future), the
/// command waits for that time, because an earlier erasure would not cover it.
///
/// Learned vectors and the platform's own data stay. The input topics still hold the user's events: a new database that
/// is built from them brings the user back, unless --to-topics was given.
///
/// Exit codes: 0 erased and published (or shown, without --execute); 1 failure; 2 usage; 3 refused: the schema is not
/// migrated, the data is newer than this program, or a register is too far in the future; 75 PostgreSQL or Kafka is
/// unavailable: run it again, which is safe.
#[derive(Debug, Args)]
pub struct EraseArgs {
    /// The user's id.
    #[arg(value_parser = user_ids::parse)]
    id: UserId,
    /// Also produce a tombstone to both input topics; every consumer group receives it.
    ///
    /// Its key is the user's id. Other services read these topics: make sure that they treat a tombstone as an erasure.
    #[arg(long)]
    to_topics: bool,
    /// Erase; without this, nothing is written.
    #[arg(long)]
    execute: bool,
}

/// Shows the effect of the erasure, and with --execute erases.
///
/// # Errors
/// The user's data cannot be read, a register is too far in the future, or the database or the brokers refuse us.
pub async fn run(args: &EraseArgs, config: &Config, out: &mut impl Write) -> anyhow::Result<Exit> {
    let user = &args.id;
    let database = database::open(&config.database, if args.execute { Access::Write } else { Access::Read }).await?;
    let output = output(config)?;
    let unread = "could not read the user's data";
    let record = lookup::record(&database.pool, user, database.platform.has_users).await.context(unread)?;
    let state = record.state.transpose().context("the stored state of the user")?;
    let now = clock(&database.pool).await.context(unread)?;
    // The erasure must be later than the newest register.
    let newest = state.as_ref().and_then(|state| state.profile.logical_time());
    writeln!(out, "Erasing user {user}")?;
    write_plan(state.as_ref(), record.row.as_ref(), &output.topics, args.to_topics, out)?;
    if let Some(newest) = newest.filter(|newest| *newest >= now) {
        let seconds = (newest.0 - now.0) as f64 / 1000.0;
        writeln!(out, "  First wait for {seconds:.1} s: the newest register is stamped {newest}.")?;
    }
    if is_too_far(newest, now, config.limits.max_future) {
        let why = "a register is stamped further in the future than limits.max_future; raise that setting, and this command \
                   waits for it. Nothing was changed";
        return Err(ends(Exit::Refused, why));
    }
    if !args.execute {
        writeln!(out, "{}", nothing_was_changed())?;
        return Ok(Exit::Ok);
    }
    erase(user, newest, args.to_topics, &database, config, &output, out).await
}

fn write_plan(
    state: Option<&State>,
    row: Option<&StoredRow>,
    topics: &Topics,
    to_topics: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let of_state = match state {
        Some(state) => {
            let sections = state.profile.registers().count();
            let onboarding = if state.profile.onboarded().is_some() { " and the onboarding" } else { "" };
            format!("{sections} sections{onboarding} are deleted; the time of the erasure is kept")
        }
        None => "none; the time of the erasure is stored, so that older events cannot create one".to_owned(),
    };
    let of_row = match row {
        None => "no row",
        Some(row) if row.vector_is_ours() => "the row is deleted",
        Some(_) => "the four columns become null; the learned vector stays",
    };
    let Topics { onboarding_completed, profile_updated, segment_changed, dead_letter } = topics;
    writeln!(out, "  state: {of_state}\n  user_vectors: {of_row}\n  {segment_changed}: a tombstone")?;
    for topic in [onboarding_completed, profile_updated].into_iter().filter(|_| to_topics) {
        writeln!(out, "  {topic}: a tombstone; every group that reads the topic sees it")?;
    }
    if !to_topics {
        writeln!(
            out,
            "  {onboarding_completed} and {profile_updated} stay unchanged. The user comes back if a new database\n  \
             is built from them; --to-topics produces the tombstones that prevent it."
        )?;
    }
    writeln!(out, "  Records of the user on the input topics and {dead_letter} stay until retention deletes them.")
}

async fn erase(
    user: &UserId,
    newest: Option<Millis>,
    to_topics: bool,
    database: &Database,
    config: &Config,
    output: &Destination,
    out: &mut impl Write,
) -> anyhow::Result<Exit> {
    let store = database.store(config)?;
    let entry = Entry {
        operator: operator(&config.jobs),
        act: Act::Erase,
        arguments: json!({"user": hashed(user.as_str()), "toTopics": to_topics}),
    };
    let mut erased = erase::erase(&store, user, newest, &entry).await?;
    writeln!(out, "Erased at {}.", erased.at)?;

    let topics = &output.topics;
    let mut all_done = true;
    let publications = std::mem::take(&mut erased.publications);
    if let Err(halt) = erase::publish(store, publications, output).await {
        all_done = false;
        let topic = &topics.segment_changed;
        writeln!(out, "Could not publish the tombstone on {topic} yet: {halt}.")?;
        writeln!(out, "It is in the outbox: a running service publishes it.")?;
    } else {
        writeln!(out, "Published the tombstone on {}.", topics.segment_changed)?;
    }
    if let Some(rows @ 1..) = outbox_rows(&database.pool, user).await.context("could not read the outbox")? {
        writeln!(out, "Outbox rows that wait for this user: {rows}.")?;
    }
    if to_topics {
        let (one, other) = (&topics.onboarding_completed, &topics.profile_updated);
        let producer = output.cluster.named_producer("erasure").context("could not make the Kafka client")?;
        match erase::produce_to_inputs(&producer, topics, user, &erased).await {
            Ok(()) => writeln!(out, "Produced a tombstone to {one} and {other}.")?,
            Err(error) => {
                all_done = false;
                writeln!(out, "Could not produce a tombstone to both input topics: {error:#}. Run this again.")?;
            }
        }
    }
    Ok(if all_done { Exit::Ok } else { Exit::DependencyUnavailable })
}

fn is_too_far(newest: Option<Millis>, now: Millis, furthest: Duration) -> bool {
    let furthest = i64::try_from(furthest.as_millis()).unwrap_or(i64::MAX);
    newest.is_some_and(|newest| newest.0.saturating_sub(now.0) > furthest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_is_too_far_only_beyond_the_limit_of_future_events() {
        let (now, furthest) = (Millis(1_000_000), Duration::from_secs(300));
        for (newest, too_far) in [(0, false), (1_000_000, false), (1_300_000, false), (1_300_001, true)] {
            assert_eq!(is_too_far(Some(Millis(newest)), now, furthest), too_far, "{newest}");
        }
        assert!(!is_too_far(None, now, furthest));
        assert!(is_too_far(Some(Millis(i64::MAX)), Millis(-1), furthest));
    }
}
