//! Waiting on observed state: the only place in the tests that sleeps.

use std::future::Future;
use std::time::{Duration, Instant};

/// The polling interval: short against a run's time, long enough to leave the cores to the processes under test.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds; panics with `what` if it does not within `within`.
///
/// `what` is the awaited condition, as in "the offset to be committed".
pub async fn eventually<F, Fut>(within: Duration, what: &str, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    eventually_some(within, what, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Waits until `look` returns a value and returns it; panics with `what` if it does not within `within`.
pub async fn eventually_some<T, F, Fut>(within: Duration, what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        // A call that hangs (a paused server) must not hang the test.
        let left = within.saturating_sub(started.elapsed());
        match tokio::time::timeout(left.max(INTERVAL), look()).await {
            Ok(Some(found)) => return found,
            Ok(None) if started.elapsed() < within => tokio::time::sleep(INTERVAL).await,
            Ok(None) => panic!("waited {within:?} in vain for {what}"),
            Err(_) => panic!("waited {within:?} in vain for {what}: the last check did not return"),
        }
    }
}

/// [`eventually`] outside of a runtime.
#[expect(clippy::disallowed_methods, reason = "the polling interval")]
pub fn eventually_blocking(within: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < within, "waited {within:?} in vain for {what}");
        std::thread::sleep(INTERVAL);
    }
}
