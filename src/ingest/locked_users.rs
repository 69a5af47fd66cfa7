//! Records of users whose rows another session locks. They wait beside their worker's queue, so that the other users go on.

use std::collections::{HashSet, VecDeque};
use std::time::Instant;

use tracing::info;

use super::work_queues::Work;
use crate::domain::event::UserId;
use crate::runtime::retry::Retry;
use crate::store::writer::Written;

/// The locked users of one worker.
#[derive(Debug)]
pub(crate) struct LockedUsers {
    /// In the order of their arrival; those of the user who was tried last are at the end.
    records: VecDeque<Work>,
    users: HashSet<UserId>,
    pauses: Retry,
    /// The time of the next attempt.
    due: Instant,
    is_reported: bool,
}

impl LockedUsers {
    pub(super) fn new() -> Self {
        Self {
            records: VecDeque::new(),
            users: HashSet::new(),
            pauses: Retry::forever(),
            due: Instant::now(),
            is_reported: false,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Adds records that met a lock. The next attempt is made after a pause.
    pub(super) fn add(&mut self, records: Vec<Work>, reason: &str) {
        if !std::mem::replace(&mut self.is_reported, true) {
            Written::warn_of_lock(reason);
        }
        self.users.extend(records.iter().map(|work| work.event.user.clone()));
        self.records.extend(records);
        self.due = Instant::now() + self.pauses.next_pause();
    }

    /// Takes the records of locked users out of a batch, since the records of a user are processed in their order.
    pub(super) fn divert(&mut self, batch: Vec<Work>) -> Vec<Work> {
        if self.is_empty() {
            return batch;
        }
        let (locked, free) = batch.into_iter().partition(|work| self.users.contains(&work.event.user));
        self.records.extend::<Vec<Work>>(locked);
        free
    }

    /// Takes the records of the user whose last attempt is the longest ago, if an attempt is due. One user at a time: an
    /// attempt that meets a lock delays the others by its wait.
    pub(super) fn take_due(&mut self) -> Option<VecDeque<Work>> {
        let user = self.records.front()?.event.user.clone();
        if Instant::now() < self.due {
            return None;
        }
        self.users.remove(&user);
        let all = std::mem::take(&mut self.records);
        let (first, rest) = all.into_iter().partition(|work| work.event.user == user);
        self.records = rest;
        Some(first)
    }

    /// An attempt met no lock: the next one is due at once.
    pub(super) fn succeeded(&mut self) {
        self.pauses.reset();
        self.due = Instant::now();
        if self.is_empty() && std::mem::take(&mut self.is_reported) {
            info!("no user waits for a lock any more");
        }
    }

    /// Waits until an attempt is due.
    pub(super) async fn due(&self) {
        tokio::time::sleep_until(self.due.into()).await;
    }
}
