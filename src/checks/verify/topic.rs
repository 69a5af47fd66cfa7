//! Compares the last record of each user on segment-changed with the user's last published change in the database,
//! beside a live service.
//!
//! The topic is read first, then the states. A user that differs may have changed in between, so such users are checked
//! again: first the last published change, then the outbox, then the rest of the topic up to its new end. A committed
//! change that is neither in the outbox nor on the topic is lost.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::sql::Pool;
use anyhow::Context as _;

use super::deleted;
use super::report::{Check, Findings, Topic};
use crate::config::Config;
use crate::kafka::client::Cluster;
use crate::kafka::topic_reader::{ReadError, Source};
use crate::publish::topic_revisions::{LastRecord, TopicRevisions};
use crate::runtime::stop::Stop;
use crate::store::outbox::each_waiting_user;
use crate::store::user_status::{Published, published};

/// How often users that differ are checked again, because they may change meanwhile.
const RECHECKS: u32 = 3;
/// The number of users in one query.
const CHUNK: usize = 5_000;

/// The topic as read so far, and the users that differ from it.
pub struct Comparison {
    /// Holds the users that differ or have not been compared yet.
    reader: TopicRevisions,
    topic: String,
    users: u64,
    suspects: BTreeSet<String>,
}

impl Comparison {
    /// Reads the topic up to its current end.
    pub async fn read(config: &Config, stop: Stop) -> anyhow::Result<Self> {
        let topic = config.topics.segment_changed.as_str().to_owned();
        let source = Source {
            cluster: Cluster::from(&config.kafka),
            group: config.kafka.group_id.as_str().to_owned(),
            topic: topic.clone(),
            stop,
        };
        let reading = tokio::task::spawn_blocking(move || -> Result<TopicRevisions, ReadError> {
            let mut reader = TopicRevisions::new(source);
            reader.read_on()?;
            Ok(reader)
        });
        let reader = reading.await?.with_context(|| format!("could not read {topic}"))?;
        let users = reader.users.len() as u64;
        Ok(Self { reader, topic, users, suspects: BTreeSet::new() })
    }

    /// Compares the last published change of a user with the user's last record.
    pub fn compare(&mut self, user: &str, published: &Published) {
        if difference(published, self.reader.users.get(user)).is_some() {
            self.suspects.insert(user.to_owned());
        } else {
            self.reader.users.remove(user);
        }
    }

    /// Checks all users that differ again, and reports those that still do.
    pub async fn end(mut self, pool: &Pool, findings: &mut Findings) -> anyhow::Result<Topic> {
        let mut after = String::new();
        loop {
            let page = deleted(pool, &after).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            for (user, published) in page {
                self.compare(&user, &published);
            }
        }
        let unknown =
            self.reader.users.iter().filter(|(_, last)| difference(&Published::default(), Some(last)).is_some());
        let mut suspects = std::mem::take(&mut self.suspects);
        suspects.extend(unknown.map(|(user, _)| user.to_string()));

        let (mut in_flight, mut wrong) = (BTreeSet::new(), BTreeMap::new());
        for _ in 0..RECHECKS {
            if suspects.is_empty() {
                break;
            }
            wrong = self.add_newer_revisions(pool, &suspects, &mut in_flight).await?;
            suspects = wrong.keys().cloned().collect();
        }
        for (user, (check, detail)) in wrong {
            findings.add(check, &user, detail);
        }
        let TopicRevisions { records, unreadable, .. } = self.reader;
        Ok(Topic { name: self.topic, records, users: self.users, unreadable, in_flight: in_flight.len() as u64 })
    }

    /// The users that still differ and are not in flight. The order matters: a change that was published before the
    /// outbox was read, and is not in it, was produced before the topic's new end.
    async fn add_newer_revisions(
        &mut self,
        pool: &Pool,
        suspects: &BTreeSet<String>,
        in_flight: &mut BTreeSet<String>,
    ) -> anyhow::Result<BTreeMap<String, (Check, String)>> {
        let users: Vec<&str> = suspects.iter().map(String::as_str).collect();
        let mut published_now = Vec::with_capacity(users.len());
        for chunk in users.chunks(CHUNK) {
            published_now.extend(published(pool, chunk).await?);
        }
        let mut waiting = BTreeSet::new();
        each_waiting_user(pool, |user| waiting.extend(suspects.get(user).cloned())).await?;
        tokio::task::block_in_place(|| self.reader.read_on())
            .with_context(|| format!("could not read {}", self.topic))?;
        let settled = users.into_iter().zip(published_now).filter(|(user, _)| !waiting.contains(*user));
        let wrong = settled.filter_map(|(user, published)| {
            Some((user.to_owned(), difference(&published, self.reader.users.get(user))?))
        });
        let wrong = wrong.collect();
        in_flight.extend(waiting);
        Ok(wrong)
    }
}

/// The difference between a user's last record and the last published change, as far as the database knows.
///
/// A tombstone of an unknown user is right: a rebuilt database does not know the users that an earlier one erased.
fn difference(published: &Published, last: Option<&LastRecord>) -> Option<(Check, String)> {
    let known = match published {
        Published { revision: 0, .. } => "published nothing".to_owned(),
        Published { revision, is_ranking: true, .. } => format!("published revision {revision}"),
        Published { revision, is_ranking: false, .. } => format!("published revision {revision} as a tombstone"),
    };
    let Some(last) = last else { return (published.revision > 0).then_some((Check::NotOnTopic, known)) };
    let check = match last.revision {
        _ if last.names_lost_erasure(published) => Check::ErasureLost,
        _ if last.is_ahead_of(published) => Check::NewerOnTopic,
        _ if published.revision == 0 && last.is_null => return None,
        _ if published.revision == 0 => Check::UnknownOnTopic,
        None => Check::OtherOnTopic,
        Some(revision) if revision < published.revision => Check::OlderOnTopic,
        Some(_) if last.is_null == published.is_ranking => Check::OtherOnTopic,
        Some(_) => return None,
    };
    Some((check, format!("{known}, the last record has {}", shown(last))))
}

fn shown(last: &LastRecord) -> String {
    let revision = last.revision.map_or_else(|| "no revision".to_owned(), |revision| format!("revision {revision}"));
    if last.is_null { format!("{revision} and is a tombstone") } else { revision }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Millis;

    #[test]
    fn a_last_record_differs_unless_it_has_the_published_revision_and_kind() {
        let ranking = Published::of_state(7, 1, None);
        let null = Published::of_state(7, 2, Some(5));
        let unpublished = Published::of_state(0, 0, None);
        let unknown = Published::default();
        for (published, last, expected) in [
            (ranking, Some((Some(7), false)), None),
            (null, Some((Some(7), true)), None),
            (unknown, None, None),
            // Deleted by a database that no longer exists.
            (unknown, Some((Some(7), true)), None),
            (unpublished, Some((Some(7), true)), None),
            (ranking, None, Some(Check::NotOnTopic)),
            (ranking, Some((Some(6), false)), Some(Check::OlderOnTopic)),
            (null, Some((Some(6), false)), Some(Check::OlderOnTopic)),
            (ranking, Some((Some(8), true)), Some(Check::NewerOnTopic)),
            (unpublished, Some((Some(7), false)), Some(Check::NewerOnTopic)),
            (ranking, Some((Some(7), true)), Some(Check::OtherOnTopic)),
            (null, Some((Some(7), false)), Some(Check::OtherOnTopic)),
            (ranking, Some((None, false)), Some(Check::OtherOnTopic)),
            (unknown, Some((Some(7), false)), Some(Check::UnknownOnTopic)),
            (unknown, Some((None, false)), Some(Check::UnknownOnTopic)),
        ] {
            let record = last.map(|(revision, is_null)| LastRecord::new(revision, is_null, None));
            let found = difference(&published, record.as_ref()).map(|(check, _)| check);
            assert_eq!(found, expected, "{published:?} {last:?}");
        }
    }

    #[test]
    fn an_erasure_that_the_topic_names_is_lost_unless_the_database_has_it_or_a_newer_one() {
        for (known, lost) in [(None, true), (Some(4), true), (Some(5), false), (Some(6), false)] {
            for published in [Published::of_state(9, 1, known), Published::of_deleted_user(0, known)] {
                let last = LastRecord::new(Some(9), true, Some(Millis(5)));
                let found = difference(&published, Some(&last)).map(|(check, _)| check);
                assert_eq!(found == Some(Check::ErasureLost), lost, "{published:?}");
            }
        }
    }
}
