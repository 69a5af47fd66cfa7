//! Functions of ours in the place of librdkafka's own, where it is slow and offers no setting: the linker gives its calls to
//! them (`--wrap`, see `build.rs`; decision 0028).

mod gunzip;
mod wakeup;

use rdkafka::bindings::RD_KAFKA_VERSION;

/// These functions are no part of librdkafka's interface, so another version may give them something else: look them up in it
/// before this number is raised.
const _: () =
    assert!(RD_KAFKA_VERSION == 0x020c_01ff, "not the version of librdkafka that src/kafka/interposed was written for");
