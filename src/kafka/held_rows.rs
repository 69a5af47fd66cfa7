//! The outbox rows that this process has in memory: leased while they are being said, deleted once they are.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::debug;

use crate::fault::fault_point;
use crate::retry::Retry;
use crate::stop::Stop;
use crate::store::{Store, outbox};

/// The rows that this process has in memory, so that their leases are renewed and they are not taken over from itself.
#[derive(Debug, Clone, Default)]
pub struct HeldRows(Arc<Mutex<HashSet<i64>>>);

impl HeldRows {
    /// To be called before the row is handed over.
    pub fn hold(&self, id: i64) {
        self.with(|held| held.insert(id));
    }

    fn release(&self, ids: &[i64]) {
        self.with(|held| {
            for id in ids {
                held.remove(id);
            }
        });
    }

    pub(super) fn contains(&self, id: i64) -> bool {
        self.with(|held| held.contains(&id))
    }

    fn ids(&self) -> Vec<i64> {
        self.with(|held| held.iter().copied().collect())
    }

    fn with<T>(&self, use_held: impl FnOnce(&mut HashSet<i64>) -> T) -> T {
        use_held(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Deletes the rows whose changes are said, beside the publisher: their deletion is nothing that the next changes have to
/// wait for. Ends when the channel is closed and empty, or the process gives up.
pub(super) async fn delete_said(store: Store, held: HeldRows, stop: Stop, mut said: UnboundedReceiver<Vec<i64>>) {
    let mut lists = Vec::new();
    while said.recv_many(&mut lists, LISTS_AT_ONCE).await > 0 {
        let ids = lists.drain(..).flatten().collect::<Vec<i64>>();
        fault_point!("before-outbox-delete");
        let mut retry = Retry::forever();
        while let Err(error) = outbox::delete(&store.pool, store.owner, &ids).await {
            debug!(%error, "could not delete said outbox rows yet");
            tokio::select! {
                () = retry.wait() => {}
                () = stop.abandoned() => return,
            }
        }
        held.release(&ids);
    }
}

/// How many lists of rows are deleted together at most.
const LISTS_AT_ONCE: usize = 64;

/// Keeps the leases of held rows from running out while they are being said.
pub(super) async fn renew_leases(store: Store, held: HeldRows) {
    let mut interval = tokio::time::interval(store.lease / 3);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let ids = held.ids();
        if ids.is_empty() {
            continue;
        }
        if let Err(error) = outbox::renew(&store.pool, store.owner, store.lease, &ids).await {
            debug!(%error, "could not renew the leases of outbox rows");
        }
    }
}
