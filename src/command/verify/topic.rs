//! The last records of users on segment-changed against what the database says was said last, beside a live service.
//!
//! The topic is read first, then the states. A user that does not agree may have changed in between, so those few are
//! looked at again: what was said of them now, then whether the outbox has them, then the rest of the topic up to its new
//! end. What was said, is not in the outbox any more and is not on the topic either, is lost.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use sqlx::PgPool;

use super::finding::{Check, Findings};
use super::report::Topic;
use super::spoken::verdict;
use crate::command::settings::cluster;
use crate::config::Config;
use crate::kafka::said_revisions::SaidRevisions;
use crate::kafka::topic_reader::{ReadError, Source};
use crate::stop::Stop;
use crate::store::outbox::each_waiting_user;
use crate::store::verify::{Said, departed, said};

/// How often those that do not agree are looked at again, since they may go on changing.
const LOOKS: u32 = 3;
/// How many users are asked for at a time.
const CHUNK: usize = 5_000;

/// The topic as read so far, and who does not agree with it.
pub(super) struct Comparison {
    /// Its users are those who do not agree, or have not been compared yet.
    reader: SaidRevisions,
    topic: String,
    users: u64,
    suspects: BTreeSet<String>,
}

/// What another look at the suspects came to.
#[derive(Default)]
struct Look {
    in_flight: BTreeSet<String>,
    wrong: BTreeMap<String, (Check, String)>,
}

impl Comparison {
    /// Reads the topic to its present end.
    pub async fn read(config: &Config) -> anyhow::Result<Self> {
        let topic = config.topics.segment_changed.as_str().to_owned();
        let source = Source {
            cluster: cluster(&config.kafka),
            group: config.kafka.group_id.as_str().to_owned(),
            topic: topic.clone(),
            stop: Stop::default(),
        };
        let reading = tokio::task::spawn_blocking(move || -> Result<SaidRevisions, ReadError> {
            let mut reader = SaidRevisions::new(source);
            reader.read_on()?;
            Ok(reader)
        });
        let reader = reading.await?.with_context(|| format!("could not read {topic}"))?;
        let users = reader.users.len() as u64;
        Ok(Self { reader, topic, users, suspects: BTreeSet::new() })
    }

    /// Compares what was said of a user with the user's last record.
    pub fn compare(&mut self, user: &str, said: Said) {
        if verdict(Some(said), self.reader.users.get(user)).is_some() {
            self.suspects.insert(user.to_owned());
        } else {
            self.reader.users.remove(user);
        }
    }

    /// Looks again at all that did not agree; what still does not is found.
    pub async fn end(mut self, pool: &PgPool, findings: &mut Findings) -> anyhow::Result<Topic> {
        self.compare_departed(pool).await.context("could not read the database")?;
        let unknown = self.reader.users.iter().filter(|(_, last)| verdict(None, Some(last)).is_some());
        let mut suspects = std::mem::take(&mut self.suspects);
        suspects.extend(unknown.map(|(user, _)| user.to_string()));

        let mut in_flight = BTreeSet::new();
        let mut wrong = BTreeMap::new();
        for _ in 0..LOOKS {
            if suspects.is_empty() {
                break;
            }
            let look = self.look_again(pool, &suspects).await?;
            in_flight.extend(look.in_flight);
            suspects = look.wrong.keys().cloned().collect();
            wrong = look.wrong;
        }
        for (user, (check, detail)) in wrong {
            findings.add(check, &user, detail);
        }
        let SaidRevisions { records, unreadable, .. } = self.reader;
        Ok(Topic { name: self.topic, records, users: self.users, unreadable, in_flight: in_flight.len() as u64 })
    }

    async fn compare_departed(&mut self, pool: &PgPool) -> Result<(), sqlx::Error> {
        let mut after = String::new();
        loop {
            let page = departed(pool, &after).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (user, said) in page {
                self.compare(&user, said);
            }
        }
    }

    /// The order matters: what was said before the outbox was read, and is not in it, was produced before the topic's new
    /// end.
    async fn look_again(&mut self, pool: &PgPool, suspects: &BTreeSet<String>) -> anyhow::Result<Look> {
        let away = "could not read the database";
        let users: Vec<&str> = suspects.iter().map(String::as_str).collect();
        let mut said_now = Vec::with_capacity(users.len());
        for chunk in users.chunks(CHUNK) {
            said_now.extend(said(pool, chunk).await.context(away)?);
        }
        let mut look = Look::default();
        let waits = |user: &str| {
            if let Some(user) = suspects.get(user) {
                look.in_flight.insert(user.clone());
            }
        };
        each_waiting_user(pool, waits).await.context(away)?;
        tokio::task::block_in_place(|| self.reader.read_on())
            .with_context(|| format!("could not read {}", self.topic))?;
        for (user, said) in users.into_iter().zip(said_now) {
            if look.in_flight.contains(user) {
                continue;
            }
            if let Some(wrong) = verdict(said, self.reader.users.get(user)) {
                look.wrong.insert(user.to_owned(), wrong);
            }
        }
        Ok(look)
    }
}
