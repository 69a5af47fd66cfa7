//! The outbox rows that this process holds: leased while they are being published, deleted afterwards.

use tokio::sync::mpsc::UnboundedReceiver;
use tracing::debug;

use crate::runtime::fault::fault_point;
use crate::runtime::retry::Retry;
use crate::store::leased_rows::LeasedRows;
use crate::store::outbox::RowKey;
use crate::store::sql::within;
use crate::store::{Store, outbox};

/// Deletes the rows of published changes, beside the publisher, so that the next changes do not wait for the deletion. Ends when
/// the channel is closed and empty.
pub(super) async fn delete_published(store: Store, leased: LeasedRows, mut published: UnboundedReceiver<Vec<RowKey>>) {
    let mut lists = Vec::new();
    while published.recv_many(&mut lists, LISTS_AT_ONCE).await > 0 {
        let rows = lists.drain(..).flatten().collect::<Vec<RowKey>>();
        fault_point!("before-outbox-delete");
        let mut retry = Retry::forever();
        while let Err(error) = outbox::delete(&store.pool, store.owner, &rows).await {
            debug!(%error, "could not delete published outbox rows; retrying");
            retry.wait().await;
        }
        leased.remove(rows.iter().map(|row| row.id));
    }
}

/// How many lists of rows one statement deletes at most.
const LISTS_AT_ONCE: usize = 64;

/// Renews the leases of held rows every third of a lease.
pub(super) async fn renew_leases(store: Store, leased: LeasedRows) {
    let mut interval = tokio::time::interval(store.lease / 3);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let ids = leased.ids();
        if ids.is_empty() {
            continue;
        }
        // An answer that comes later is of no use, and the next connection may have one in time.
        let renewed = within(store.lease / 3, outbox::renew(&store.pool, store.owner, store.lease, &ids));
        if let Err(error) = renewed.await {
            debug!(%error, "could not renew the leases of outbox rows");
        }
    }
}
