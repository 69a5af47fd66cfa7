//! The wall clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::domain::event::Millis;

/// The present time; the epoch where the clock is set before it.
pub fn now() -> Millis {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since_epoch.as_millis()).unwrap_or_default())
}
