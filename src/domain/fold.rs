//! Folds one user's events into the user's state: the result is the write and the change to publish. The heart of the service.

use std::sync::Arc;

use uuid::Uuid;

use super::event::{Body, Event, Millis, UserId};
use super::profile::{Outcome, Profile};
use super::ranking_change::{ChangeBody, NewRanking, RankingChange, ScoredSegment, Trigger};
use super::row::RowContent;
use super::scoring::{self, Catalog, RankedSegment};
use super::section::SectionKind;
use super::state::State;

/// The input of a fold besides the user's events and state.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub catalog: &'a Catalog,
    /// The clock of revisions, Unix time in ms. The next revision is this, or the last revision + 1 if that is higher.
    pub clock_ms: i64,
    pub publishing: Publishing,
}

/// Whether a new ranking is published at once. Erasures always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publishing {
    Immediate,
    /// At once, and this job is the cause of the changes.
    ImmediateOfJob(JobCause),
    /// Not yet: the state remembers the job. The net change is published by the user's next immediate fold or, if none
    /// comes first, when the job ends.
    Deferred(DeferringJob),
    /// At once, and every user that has an event, even where nothing changes: segment-changed may be ahead of the state.
    EvenUnchanged,
}

/// A job with deferred publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeferringJob {
    pub id: Uuid,
    /// Whether the job publishes its changes when it ends. If not, a user that waits for the end of another job keeps
    /// waiting for that job.
    pub publishes_at_end: bool,
}

impl DeferringJob {
    fn holder(self, prior: Option<Uuid>) -> Uuid {
        if self.publishes_at_end { self.id } else { prior.unwrap_or(self.id) }
    }
}

/// A job as the cause of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCause {
    pub id: Uuid,
    pub trigger: Trigger,
}

/// The cause of a new ranking.
#[derive(Debug, Clone, Copy)]
enum Origin<'a> {
    Event(&'a Event),
    Job(JobCause),
}

/// The result of a fold.
#[derive(Debug, Clone, PartialEq)]
pub struct Fold {
    /// One an event, in the order of the events.
    pub outcomes: Vec<Outcome>,
    /// `None` if no register changed and publishing does not ask for more: nothing is written and nothing is published.
    pub write: Option<Write>,
}

/// The write of a fold; all of it belongs in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    pub state: State,
    pub row: RowWrite,
    pub change: Option<RankingChange>,
    /// The profile's budget is in a currency that the catalog does not list, and was taken as EUR.
    pub unknown_currency: bool,
}

/// The write to the user's row in `user_vectors`.
#[derive(Debug, Clone, PartialEq)]
pub enum RowWrite {
    /// Not onboarded yet: the row is not touched.
    Leave,
    Upsert(RowContent),
    /// Erased: the row is deleted; where the vector is a learned one, our columns become null instead.
    Remove,
}

/// The user was already scored with a newer catalog. Scoring with an older one would flip segments back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user was scored with catalog version {stored}, newer than version {ours} of this process")]
pub struct NewerCatalog {
    pub stored: u32,
    pub ours: u32,
}

/// Folds `events` into `prior`. Their order affects the outcomes only, never the state.
///
/// # Errors
/// The user was scored with a newer catalog.
pub fn fold(user: &UserId, prior: State, events: &[&Event], context: &Context<'_>) -> Result<Fold, NewerCatalog> {
    let mut state = prior;
    let outcomes: Vec<Outcome> = events.iter().map(|event| state.profile.merge(event)).collect();
    let applied = || events.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Applied);
    let newest_applied = applied().map(|(event, _)| event).max_by(|one, other| by_newest_cause(one, other));
    let newest = || events.iter().max_by(|one, other| by_newest_cause(one, other));
    let is_published_anyway = context.publishing == Publishing::EvenUnchanged;
    let Some(cause) = newest_applied.or_else(|| newest().filter(|_| is_published_anyway)) else {
        return Ok(Fold { outcomes, write: None });
    };
    let erased = applied().any(|(event, _)| event.body == Body::Tombstone);
    let origin = match context.publishing {
        Publishing::ImmediateOfJob(job) => Origin::Job(job),
        Publishing::Immediate | Publishing::Deferred(_) | Publishing::EvenUnchanged => Origin::Event(cause),
    };
    let write = match logical_time_if_onboarded(&state.profile) {
        Some(logical_time) => scored(user, state, logical_time, origin, context)?,
        None => {
            let is_news = match state.last_published {
                Some(ChangeBody::Ranking(_)) => true,
                // Each erasure has a tombstone, which carries its time.
                Some(ChangeBody::Tombstone { .. }) => erased || is_published_anyway,
                None => is_published_anyway && state.profile.erased_at().is_some(),
            };
            let row = if erased { RowWrite::Remove } else { RowWrite::Leave };
            unscored(user, state, row, is_news, context)
        }
    };
    Ok(Fold { outcomes, write: Some(write) })
}

/// Scores a user's profile anew, without an event. `None` for a user that is not onboarded.
///
/// # Errors
/// As [`fold`].
pub fn rescore(
    user: &UserId,
    prior: State,
    cause: JobCause,
    context: &Context<'_>,
) -> Result<Option<Write>, NewerCatalog> {
    let Some(logical_time) = logical_time_if_onboarded(&prior.profile) else { return Ok(None) };
    scored(user, prior, logical_time, Origin::Job(cause), context).map(Some)
}

/// The last record of a user on segment-changed, which is ahead of the user's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicRecord {
    /// The highest revision that the topic has of the user.
    pub revision: i64,
    /// The newest erasure that the topic names.
    pub erased_at: Option<Millis>,
}

/// Applies the erasure of `ahead` if `prior` does not have it, and publishes the present ranking, or a tombstone, above the
/// topic's revision. `None` if `prior` is no longer behind.
///
/// # Errors
/// As [`fold`].
pub fn publish_above(
    user: &UserId,
    prior: State,
    ahead: TopicRecord,
    cause: JobCause,
    context: &Context<'_>,
) -> Result<Option<Write>, NewerCatalog> {
    let mut state = prior;
    let erased = ahead.erased_at.is_some_and(|at| state.profile.erase(at) == Outcome::Applied);
    if !erased && state.revision > ahead.revision {
        return Ok(None);
    }
    let clock_ms = context.clock_ms.max(ahead.revision.saturating_add(1));
    let context = Context { clock_ms, publishing: Publishing::EvenUnchanged, ..*context };
    let row = if erased { RowWrite::Remove } else { RowWrite::Leave };
    Ok(Some(match logical_time_if_onboarded(&state.profile) {
        Some(logical_time) => scored(user, state, logical_time, Origin::Job(cause), &context)?,
        None => unscored(user, state, row, true, &context),
    }))
}

/// Stores the erasure of `prior` in a first state, which meets one that is written at the same time.
pub fn store_erasure(user: &UserId, prior: State, context: &Context<'_>) -> Write {
    unscored(user, prior, RowWrite::Remove, false, context)
}

fn by_newest_cause(one: &Event, other: &Event) -> std::cmp::Ordering {
    let onboarding = |event: &Event| matches!(event.body, Body::Onboarding(_));
    one.stamp.cmp(&other.stamp).then_with(|| onboarding(one).cmp(&onboarding(other)))
}

/// The time at which an onboarded user is scored; `None` for others.
pub(crate) fn logical_time_if_onboarded(profile: &Profile) -> Option<Millis> {
    profile.onboarded().and_then(|_| profile.logical_time())
}

/// The write for an onboarded user: the profile is scored anew. It has a change if the ranked segments differ from those
/// last published and publishing is immediate, or if publishing asks for one anyway.
fn scored(
    user: &UserId,
    mut state: State,
    logical_time: Millis,
    origin: Origin<'_>,
    context: &Context<'_>,
) -> Result<Write, NewerCatalog> {
    let catalog = context.catalog;
    if state.catalog_version > catalog.version() {
        return Err(NewerCatalog { stored: state.catalog_version, ours: catalog.version() });
    }
    state.catalog_version = catalog.version();
    let segmentation = scoring::segment(&engine_input(&state.profile, logical_time), catalog);
    let row = RowContent::new(&segmentation, catalog, logical_time);
    let same = state.published_segments().eq(segmentation.ranking.iter().map(|ranked| &*ranked.segment));
    let job_before = state.job.take();
    let change = match context.publishing {
        Publishing::Deferred(job) if !same => {
            state.job = Some(job.holder(job_before));
            None
        }
        Publishing::Immediate | Publishing::ImmediateOfJob(_) if same => None,
        Publishing::Immediate | Publishing::ImmediateOfJob(_) | Publishing::EvenUnchanged => {
            let ranking = segmentation.ranking;
            let new_ranking = new_ranking(state.last_ranking(), ranking, logical_time, origin, catalog);
            Some(publish(user, &mut state, ChangeBody::Ranking(Arc::new(new_ranking)), context))
        }
        Publishing::Deferred(_) => None,
    };
    Ok(Write { state, row: RowWrite::Upsert(row), change, unknown_currency: segmentation.unknown_currency })
}

/// The write for a user that is not onboarded (any more); `is_news` if a tombstone is to be published.
fn unscored(user: &UserId, mut state: State, row: RowWrite, is_news: bool, context: &Context<'_>) -> Write {
    let tombstone = ChangeBody::Tombstone { erased_at: state.profile.erased_at() };
    let change = is_news.then(|| publish(user, &mut state, tombstone, context));
    state.job = None;
    Write { state, row, change, unknown_currency: false }
}

/// Makes `body` the last published of `state`, and returns the change to publish.
fn publish(user: &UserId, state: &mut State, body: ChangeBody, context: &Context<'_>) -> RankingChange {
    state.revision = state.revision.saturating_add(1).max(context.clock_ms);
    state.last_published = Some(body.clone());
    RankingChange { user: user.clone(), revision: state.revision, body }
}

fn new_ranking(
    previous: &[RankedSegment],
    ranking: Vec<RankedSegment>,
    logical_time: Millis,
    origin: Origin<'_>,
    catalog: &Catalog,
) -> NewRanking {
    let previous = previous
        .iter()
        .map(|ranked| ScoredSegment { segment: Arc::clone(&ranked.segment), score: ranked.score })
        .collect();
    let Provenance { trigger, causation_id, correlation_id, traceparent, replay_id } = origin.provenance();
    NewRanking {
        previous,
        ranking,
        catalog_version: catalog.version(),
        occurred_at: logical_time,
        trigger,
        causation_id,
        correlation_id,
        traceparent,
        replay_id,
    }
}

/// The cause of a change, as it is published.
struct Provenance {
    trigger: Trigger,
    causation_id: Option<Arc<str>>,
    correlation_id: Option<Arc<str>>,
    traceparent: Option<Arc<str>>,
    replay_id: Option<Arc<str>>,
}

impl Origin<'_> {
    fn provenance(self) -> Provenance {
        match self {
            Self::Event(event) => Provenance {
                trigger: match event.body {
                    Body::Onboarding(_) => Trigger::Onboarding,
                    Body::Update(_) | Body::Tombstone => Trigger::ProfileUpdate,
                },
                causation_id: event.cause.causation_id.clone(),
                correlation_id: event.cause.correlation_id.clone(),
                traceparent: event.cause.traceparent.clone(),
                replay_id: None,
            },
            Self::Job(JobCause { id, trigger }) => {
                let id: Arc<str> = id.to_string().into();
                Provenance {
                    trigger,
                    causation_id: None,
                    correlation_id: Some(id.clone()),
                    traceparent: None,
                    replay_id: Some(id),
                }
            }
        }
    }
}

/// The engine's input from `profile`.
pub fn engine_input(profile: &Profile, logical_time: Millis) -> scoring::Input<'_> {
    use super::section::Section;
    macro_rules! section {
        ($kind:ident) => {
            match profile.section(SectionKind::$kind) {
                Some(Section::$kind(section)) => Some(section),
                _ => None,
            }
        };
    }
    scoring::Input {
        budget: section!(Budget),
        travel: section!(Travel),
        accommodation: section!(Accommodation),
        activities: section!(Activities),
        experience: section!(Experience),
        climate: section!(Climate),
        destinations: section!(Destinations),
        transport: section!(Transport),
        demographics: section!(Demographics),
        quality: section!(Quality),
        logical_time,
    }
}
