//! Checks what recommenders observed on segment-changed against the promises, and against the rows in the end. Pure.
//!
//! - A revision of a user is one change: the same event id and the same bytes in each of its records.
//! - In the order of the revisions, `previousSegments` of each change is `newSegments` of the one before. A gap is allowed only
//!   where the database went back in time meanwhile: the change then follows from an older one, and only changes of that time lie
//!   in between; or it was lost itself, as well as the one that it follows from, which was never published.
//! - The last record of each user is the user's newest revision, and equals the row.

use std::collections::BTreeMap;

/// A record as a recommender observed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    pub user: String,
    pub revision: i64,
    /// When it was produced, in Unix ms.
    pub at: i64,
    /// `None` for a tombstone.
    pub change: Option<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub event_id: String,
    pub previous: Vec<String>,
    pub new: Vec<String>,
    /// The record's value.
    pub bytes: Vec<u8>,
}

/// The records that one recommender observed, those of a user in the topic's order.
pub struct Recommender {
    pub name: &'static str,
    /// It has read the topic from its beginning on.
    pub from_the_beginning: bool,
    pub observations: Vec<Observation>,
}

/// A time, in Unix ms, from which the database lost commits, until everything was right again.
#[derive(Clone, Copy, Debug)]
pub struct Rewind {
    pub from: i64,
    pub until: i64,
}

/// The database's view of a published user in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedRow {
    pub revision: i64,
    pub segments: Vec<String>,
}

/// Every broken promise, as a sentence.
pub fn violations(
    recommenders: &[Recommender],
    rows: &BTreeMap<String, PublishedRow>,
    rewinds: &[Rewind],
) -> Vec<String> {
    let mut found = contradictions(recommenders);
    for recommender in recommenders {
        let mut users: BTreeMap<&str, Vec<&Observation>> = BTreeMap::new();
        for observation in &recommender.observations {
            users.entry(&observation.user).or_default().push(observation);
        }
        let of_recommender = users
            .iter()
            .flat_map(|(user, observations)| {
                let ending = wrong_ending(observations, rows.get(*user));
                gaps(observations, recommender.from_the_beginning, rewinds).into_iter().chain(ending)
            })
            .chain(unobserved(recommender, &users, rows));
        found.extend(of_recommender.map(|violation| format!("{}: {violation}", recommender.name)));
    }
    found
}

/// Revisions with more than one content, and event ids of more than one revision.
fn contradictions(recommenders: &[Recommender]) -> Vec<String> {
    let mut revisions: BTreeMap<(&str, i64), &Observation> = BTreeMap::new();
    let mut ids: BTreeMap<&str, (&str, i64)> = BTreeMap::new();
    let mut found = Vec::new();
    for observation in recommenders.iter().flat_map(|recommender| &recommender.observations) {
        let Observation { user, revision, .. } = observation;
        let first = revisions.entry((user, *revision)).or_insert(observation);
        if first.change != observation.change {
            found.push(format!("revision {revision} of {user} has two contents"));
        }
        let Some(change) = &observation.change else { continue };
        let id = ids.entry(&change.event_id).or_insert((user, *revision));
        if *id != (user, *revision) {
            found.push(format!("event id {} has two revisions: {id:?} and {:?}", change.event_id, (user, revision)));
        }
    }
    found
}

/// Changes of a user that do not follow from the one before.
fn gaps(observations: &[&Observation], from_the_beginning: bool, rewinds: &[Rewind]) -> Vec<String> {
    let mut by_revision: BTreeMap<i64, &Observation> = BTreeMap::new();
    for observation in observations {
        let first = by_revision.entry(observation.revision).or_insert(observation);
        if observation.at < first.at {
            *first = observation;
        }
    }
    let chain: Vec<&Observation> = by_revision.into_values().collect();
    let follows = |at: usize| {
        let Some(change) = &chain[at].change else { return true };
        match at.checked_sub(1) {
            Some(before) => ranking(chain[before]) == change.previous,
            None => !from_the_beginning || change.previous.is_empty(),
        }
    };
    // A change of the lost time may follow from one that was lost before it was published, if it was lost itself: a later one
    // does not follow from it.
    let is_lost = |at: usize| {
        let of_its_time = |rewind: &Rewind, other: usize| (rewind.from..=rewind.until).contains(&chain[other].at);
        let goes_back =
            |rewind: &Rewind| (at + 1..chain.len()).any(|later| of_its_time(rewind, later) && !follows(later));
        rewinds.iter().any(|rewind| of_its_time(rewind, at) && goes_back(rewind))
    };
    (0..chain.len())
        .filter(|at| !follows(*at) && !is_explained(&chain, *at, from_the_beginning, rewinds) && !is_lost(*at))
        .map(|at| {
            let before = at.checked_sub(1).map(|before| (chain[before].revision, ranking(chain[before])));
            let Observation { user, revision, change, .. } = chain[at];
            let previous = change.as_ref().map(|change| &change.previous);
            format!("revision {revision} of {user} follows from {previous:?}, the one before is {before:?}")
        })
        .collect()
}

/// The change was published in the time of a rewind, and follows from an older change, or from none, all changes since which
/// were published after the rewind's first lost commit. One that joined late may not have observed the older change.
fn is_explained(chain: &[&Observation], at: usize, from_the_beginning: bool, rewinds: &[Rewind]) -> bool {
    let Some(change) = &chain[at].change else { return true };
    rewinds.iter().filter(|rewind| (rewind.from..=rewind.until).contains(&chain[at].at)).any(|rewind| {
        let older = chain[..at].iter().rposition(|older| older.at < rewind.from);
        // What the database may have gone back to: its last change before the rewind, or any of the rewind's time.
        let first = older.unwrap_or(0);
        let was_not_observed = older.is_none() && (change.previous.is_empty() || !from_the_beginning);
        was_not_observed || chain[first..at].iter().any(|older| ranking(older) == change.previous)
    })
}

fn ranking(observation: &Observation) -> Vec<String> {
    observation.change.as_ref().map(|change| change.new.clone()).unwrap_or_default()
}

fn wrong_ending(observations: &[&Observation], row: Option<&PublishedRow>) -> Option<String> {
    let last = observations.last()?;
    let newest = observations.iter().map(|observation| observation.revision).max()?;
    let (user, revision) = (&last.user, last.revision);
    if revision != newest {
        return Some(format!("the last record of {user} has revision {revision}, an earlier one has {newest}"));
    }
    match row {
        Some(row) if row.revision != revision => {
            Some(format!("the last record of {user} has revision {revision}, the database {}", row.revision))
        }
        Some(row) if row.segments != ranking(last) => {
            Some(format!("the last record of {user} has {:?}, the row {:?}", ranking(last), row.segments))
        }
        None if last.change.is_some() => Some(format!("{user} was published and is not in the database")),
        _ => None,
    }
}

/// Published users of whom a recommender that has read everything knows nothing.
fn unobserved<'a>(
    recommender: &'a Recommender,
    users: &'a BTreeMap<&str, Vec<&Observation>>,
    rows: &'a BTreeMap<String, PublishedRow>,
) -> impl Iterator<Item = String> + 'a {
    rows.iter()
        .filter(|(user, _)| recommender.from_the_beginning && !users.contains_key(user.as_str()))
        .map(|(user, row)| format!("{user} is published at revision {}, and no record was observed", row.revision))
}
