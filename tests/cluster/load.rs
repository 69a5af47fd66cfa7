//! The platform's producer: KafkaJS at a steady rate, through all faults.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use segmenter::domain::event::Millis;
use serde_json::{Value, json};

use crate::scene::{Numbers, onboarding_event, update_event};
use crate::support::{eventually, source};

/// Users that events are about: so many that most of those whose event a failover lost have no later one.
pub const USERS: u64 = 3_000;

/// How often events are handed to KafkaJS.
const TICK: Duration = Duration::from_millis(50);
const TICKS_A_SECOND: u64 = 20;

/// Produces while it is on. The process ends with this value.
pub struct Load {
    node: Child,
    acknowledged: Arc<AtomicU64>,
    source: Arc<Mutex<Source>>,
    feeding: tokio::task::JoinHandle<()>,
}

/// The next events, and the pipe that takes them.
struct Source {
    is_on: bool,
    fed: u64,
    numbers: Numbers,
    /// Onboardings, updates.
    topics: [String; 2],
    pipe: ChildStdin,
}

impl Load {
    /// A producer of `rate` events a second to these topics of three partitions, off at first.
    pub fn to(brokers: &str, topics: [String; 2], rate: u64, seed: u64) -> Self {
        let mut node = Command::new("node")
            .arg("--input-type=module")
            .args(["--eval", include_str!("../kafkajs/steady.mjs"), brokers, "3"])
            .current_dir(source("target/kafkajs"))
            .env("KAFKAJS_NO_PARTITIONER_WARNING", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node starts");
        let pipe = node.stdin.take().expect("stdin is piped");
        let output = BufReader::new(node.stdout.take().expect("stdout is piped"));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&acknowledged);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                count.store(line.parse().expect("a number"), Ordering::SeqCst);
            }
        });
        let source = Arc::new(Mutex::new(Source { is_on: false, fed: 0, numbers: Numbers(seed), topics, pipe }));
        let fed = Arc::clone(&source);
        let feeding = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            loop {
                ticks.tick().await;
                fed.lock().expect("no thread panics").feed(rate / TICKS_A_SECOND);
            }
        });
        Self { node, acknowledged, source, feeding }
    }

    /// Produces from now on.
    pub fn resume(&self) {
        self.source.lock().expect("no thread panics").is_on = true;
    }

    /// Stops producing, and waits until the brokers have acknowledged everything.
    pub async fn pause(&self, within: Duration) {
        let fed = {
            let mut source = self.source.lock().expect("no thread panics");
            source.is_on = false;
            source.fed
        };
        eventually(within, "the brokers to acknowledge all events", || async {
            self.acknowledged.load(Ordering::SeqCst) == fed
        })
        .await;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.feeding.abort();
        // It may have ended already.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

impl Source {
    fn feed(&mut self, events: u64) {
        if !self.is_on {
            return;
        }
        for _ in 0..events {
            let line = self.next();
            writeln!(self.pipe, "{line}").expect("KafkaJS runs");
            self.fed += 1;
        }
    }

    /// An event of the last two seconds, so that the events of a user are slightly out of order.
    fn next(&mut self) -> Value {
        let user = format!("user-{}", self.numbers.below(USERS));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis();
        let now = i64::try_from(now).expect("before the year 9999");
        let late = i64::try_from(self.numbers.below(2_000)).expect("a small number");
        let at = Millis(now - late).to_string();
        let is_onboarding = self.numbers.below(10) < 6;
        let (topic, field) = if is_onboarding { (0, "completedAt") } else { (1, "updatedAt") };
        let mut event = if is_onboarding {
            onboarding_event(&user, self.fed, &mut self.numbers)
        } else {
            update_event(&user, self.fed, &mut self.numbers)
        };
        event["timestamp"] = at.clone().into();
        event["payload"][field] = at.into();
        json!({"topic": self.topics[topic], "key": user, "value": event})
    }
}
