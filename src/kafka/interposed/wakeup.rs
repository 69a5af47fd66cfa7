//! Has a producer wait for what is under way, instead of asking for it all the time.
//!
//! A partition of an idempotent producer with five records or more under way sends nothing more until they are
//! acknowledged. What comes to be ready for it meanwhile has librdkafka look again at once, and again, until then: a thread
//! that turns for as long as a broker takes to answer, a twelfth of all that this process did.
#![allow(unsafe_code, reason = "librdkafka has no setting for it")]

use std::ffi::c_void;

/// How soon what is ready and could not be sent is looked at again, in µs, if nothing arrives before.
const AGAIN_AFTER: i64 = 1000;

unsafe extern "C" {
    /// librdkafka's own `rd_kafka_msgq_allow_wakeup_at`.
    fn __real_rd_kafka_msgq_allow_wakeup_at(
        queue: *mut c_void,
        ready: *const c_void,
        next_wakeup: *mut i64,
        now: i64,
        linger: i64,
        batch_records: i32,
        batch_bytes: i64,
    ) -> u8;
}

/// What librdkafka asks of each partition: whether records are ready to be sent, and by `next_wakeup`, which is only ever
/// brought forward, when to ask again. Times are µs of its clock. Records that are ready are sent right after this, where
/// they can be.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_kafka_msgq_allow_wakeup_at(
    queue: *mut c_void,
    ready: *const c_void,
    next_wakeup: *mut i64,
    now: i64,
    linger: i64,
    batch_records: i32,
    batch_bytes: i64,
) -> u8 {
    // SAFETY: librdkafka gives a time or null, and all else is for its own function as it is.
    unsafe {
        let before = next_wakeup.as_ref().copied();
        let is_ready =
            __real_rd_kafka_msgq_allow_wakeup_at(queue, ready, next_wakeup, now, linger, batch_records, batch_bytes);
        if let (Some(before), Some(next_wakeup)) = (before, next_wakeup.as_mut())
            && *next_wakeup <= now
        {
            *next_wakeup = before.min(now + AGAIN_AFTER);
        }
        is_ready
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use rdkafka::ClientConfig;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

    /// The broker that the records go to: its number is in the name of the client's thread for it, and no other test here has it.
    const LEADER: i32 = 7;
    const TICKS_A_SECOND: u64 = 100;

    /// The CPU that this process's thread for the leader has used.
    fn used() -> Duration {
        let threads = fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
        let is_for_leader = |thread: &std::path::PathBuf| {
            fs::read_to_string(thread.join("comm")).unwrap() == format!("rdk:broker{LEADER}\n")
        };
        let thread = threads.into_iter().find(is_for_leader).unwrap();
        let stat = fs::read_to_string(thread.join("stat")).unwrap();
        let numbers: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // In user mode and in the kernel, as proc(5) counts the fields: 14 and 15, of which the name was the second.
        let ticks: u64 = numbers[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_A_SECOND)
    }

    fn send(producer: &ThreadedProducer<DefaultProducerContext>) {
        producer
            .send(BaseRecord::<str, str>::to("said").key("user").payload("value"))
            .map_err(|(error, _)| error)
            .unwrap();
    }

    #[test]
    fn a_producer_whose_records_are_under_way_hardly_uses_the_processor_while_more_of_them_wait() {
        let kafka = MockCluster::new(LEADER).unwrap();
        kafka.create_topic("said", 1, 1).unwrap();
        kafka.partition_leader("said", 0, Some(LEADER)).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", kafka.bootstrap_servers()).set("enable.idempotence", "true");
        config.set("linger.ms", "0").set("batch.num.messages", "10");
        let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
        send(&producer);
        producer.flush(Duration::from_secs(60)).unwrap();

        kafka.broker_round_trip_time(LEADER, Duration::from_secs(1)).unwrap();
        let (started, before) = (Instant::now(), used());
        // More than go under way at a time.
        for _ in 0..30 {
            send(&producer);
        }
        producer.flush(Duration::from_secs(60)).unwrap();
        let (took, used) = (started.elapsed(), used() - before);
        assert!(took >= Duration::from_secs(1), "{took:?}");
        assert!(used * 4 < took, "{used:?} of {took:?}");
    }
}
