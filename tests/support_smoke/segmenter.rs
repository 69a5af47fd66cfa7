//! The real binary starts, is heard and ends.

use std::time::Duration;

use crate::support::segmenter;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_command_of_the_binary_runs_to_its_end_and_is_heard() {
    let finished = segmenter(&["--version"], &[]).finish(SOON).await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains(env!("CARGO_PKG_VERSION")), "{finished:?}");
}
